"""Keeps the files: what clients sent and what was rendered, each under a name that follows from its content."""

import fcntl
import hashlib
import math
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sora2api.errors import Sora2ApiError


class FolderTaken(Sora2ApiError):
    """Another sandbox uses this folder."""


class Shelf:
    """One folder of files. A file is there wholly or not at all, also after a power cut."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: IO[bytes], *, ending: str) -> str:
        """Keeps what a client sent; returns its name. Blocks."""
        digest = hashlib.sha256()
        part = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            with part.open("wb") as file:
                while piece := data.read(1 << 20):
                    digest.update(piece)
                    file.write(piece)
            name = digest.hexdigest() + ending
            settle(part, self.folder / name)
        finally:
            part.unlink(missing_ok=True)
        return name

    def path(self, name: str) -> Path:
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether a file is there; if so, it counts as read just now, and so is not swept away from a reader."""
        path = self.path(name)
        try:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except FileNotFoundError:
            return False
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Removes files, if they are there. Blocks."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def sweep(self, keep: Collection[str], *, unused_since: float) -> None:
        """Removes files that are not among *keep* and were written and read before *unused_since*, a time. Blocks."""
        for path in self.folder.iterdir():
            if path.name not in keep and _last_used(path) < unused_since:
                path.unlink(missing_ok=True)


def _last_used(path: Path) -> float:
    try:
        found = path.stat()
    except FileNotFoundError:  # a rendering took its final name
        return math.inf
    return max(found.st_mtime, found.st_atime)


def written(target: Path, write: Callable[[Path], object]) -> None:
    """Has *write* write to a file beside *target*, then puts it in its place."""
    part = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    try:
        write(part)
        settle(part, target)
    finally:
        part.unlink(missing_ok=True)


def settle(part: Path, target: Path) -> None:
    """Makes *part* last, under the name of *target*."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Holds *folder*, made if need be, for this process alone. Raises FolderTaken."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderTaken(f"Another sandbox uses {folder}. Give this one a --data-dir of its own.") from error
        yield
