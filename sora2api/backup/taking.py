"""Taking a backup while the server runs and writes.

Kept files never change, so they go first, however long that takes; then a copy of the database is made by SQLite's
backup interface, as of one moment; then come the files that this copy knows and that are not in yet: the few that were
made meanwhile. So hardly any can have been removed in between, and those that have are named as missing.
"""

import errno
import fcntl
import gzip
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Final

from sora2api import __version__
from sora2api.backup.manifest import DATABASE, FORMAT, KEYS, PLUGINS, Label, Manifest
from sora2api.backup.writing import Writer
from sora2api.errors import Sora2ApiError
from sora2api.media.places import place
from sora2api.settings import FILE as SETTINGS
from sora2api.store import key_file
from sora2api.store.database import FILE
from sora2api.store.migrate import current

_FEW: Final = 8
"""Once a look brings no more new files than this, the database is copied."""
_GZIP: Final = 6
_DRAFT: Final = ".draft"


class NothingThere(Sora2ApiError):
    """There is nothing to back up."""

    code = "nothing_there"


def take_file(folder: Path, path: Path, *, media: bool, key: bool) -> Manifest:
    """A backup of the data directory *folder* as the file *path*, there when it is whole and on disk. Blocking."""
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "There is no such folder", str(path.parent))
    with _scratch_for(path) as scratch:
        draft = scratch / "draft"
        with draft.open("xb") as target:
            os.fchmod(target.fileno(), 0o600)
            manifest = take(folder, target, media=media, key=key, scratch=scratch)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(path)
    key_file.sync_folder(path.parent)
    return manifest


def take(folder: Path, target: IO[bytes], *, media: bool, key: bool, scratch: Path) -> Manifest:
    """Write a backup to *target*; *scratch* is a folder with room for two copies of the database. Blocking."""
    revision = current(folder / FILE)
    if revision is None:
        raise NothingThere(f"There is no database in {folder}.")
    if key and not (folder / key_file.FILE).exists():
        raise NothingThere(f"There is no {key_file.FILE} in {folder}: where the key is given otherwise, keep that.")
    with Writer(target, _label(revision)) as writer:
        while media and _add_files(writer, folder, _known(folder / FILE)) > _FEW:
            continue
        copy = scratch / FILE
        with _held(folder, fcntl.LOCK_SH):  # the secret key does not change meanwhile
            label = _label(_copied(folder, copy))
            for name in KEYS if key else ():
                writer.add(name, folder / name)
        known = _known(copy) if media else set()
        _add_files(writer, folder, known)
        _add_database(writer, copy)
        writer.add(SETTINGS, folder / SETTINGS)
        _add_plugins(writer, folder)
        missing = tuple(sorted(known - writer.parts.keys()))
        parts = tuple(writer.parts.values())
        manifest = Manifest(label=label, media=media, key=key, parts=parts, missing=missing)
        writer.end(manifest)
    return manifest


def _label(revision: str) -> Label:
    return Label(format=FORMAT, version=__version__, revision=revision, created_at=time.time())


@contextmanager
def _held(folder: Path, lock: int) -> Iterator[None]:
    """Hold a *lock*, as `fcntl.flock` has them, on a folder."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, lock)
        yield
    finally:
        os.close(held)


@contextmanager
def _scratch_for(path: Path) -> Iterator[Path]:
    """A folder beside *path* to work in, locked as long as there is anything in it. Those that were left go first."""
    _clear(path)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_DRAFT, dir=path.parent))
    with _held(scratch, fcntl.LOCK_EX):
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch)


def _clear(path: Path) -> None:
    """Remove the drafts of backups to *path* that were killed."""
    for left in path.parent.glob(f".{escape(path.name)}.{'?' * 8}{_DRAFT}"):
        with suppress(OSError), _held(left, fcntl.LOCK_EX | fcntl.LOCK_NB):  # one in use, or not ours, stays
            if any(left.iterdir()):  # else somebody may be about to lock it
                shutil.rmtree(left)


def _copied(folder: Path, copy: Path) -> str:
    """Copy the database; the revision of the copy. In one step, which no writer can make begin anew."""
    with closing(sqlite3.connect(folder / FILE, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return str(current(copy))


def _known(database: Path) -> set[str]:
    """The names of the kept files that a *database* knows."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return {str(place(row[0])) for row in connection.execute("SELECT DISTINCT sha256 FROM assets")}


def _add_files(writer: Writer, folder: Path, names: Iterable[str]) -> int:
    """Add those of the kept files that are there and not in yet; how many."""
    return sum(writer.add(name, folder / name) for name in sorted(set(names) - writer.parts.keys()))


def _add_database(writer: Writer, copy: Path) -> None:
    packed = copy.with_name(DATABASE)
    with copy.open("rb") as plain, gzip.open(packed, "wb", compresslevel=_GZIP) as target:
        shutil.copyfileobj(plain, target)
    packed.chmod(0o600)
    writer.add(DATABASE, packed)


def _add_plugins(writer: Writer, folder: Path) -> None:
    for path in sorted((folder / PLUGINS).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            writer.add(path.relative_to(folder).as_posix(), path)
