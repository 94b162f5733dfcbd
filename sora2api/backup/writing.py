"""Writing a backup: members of a tar, summed as they pass."""

import io
import os
import tarfile
import time
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from sora2api.backup.manifest import LABEL, MANIFEST, Label, Manifest, Part


class Writer:
    """Writes members to a *target* that need not be seekable; *parts* are those that there are, by name."""

    def __init__(self, target: IO[bytes], label: Label) -> None:
        self._tar = tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - see `__exit__`
        self._add(LABEL, io.BytesIO(msgspec.json.encode(label)), mode=0o600)
        self.parts: dict[str, Part] = {}

    def add(self, name: str, path: Path) -> bool:
        """Add the file at *path* as the member *name*; False: there is none."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return False
        with file:
            self.parts[name] = self._add(name, file, mode=os.fstat(file.fileno()).st_mode)
        return True

    def end(self, manifest: Manifest) -> None:
        self._add(MANIFEST, io.BytesIO(msgspec.json.encode(manifest)), mode=0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.__exit__(kind, error, trace)

    def _add(self, name: str, file: IO[bytes], *, mode: int) -> Part:
        member = tarfile.TarInfo(name)
        member.size = file.seek(0, os.SEEK_END)
        member.mode = mode & 0o777
        member.mtime = time.time()
        file.seek(0)
        summed = _Summed(file)
        self._tar.addfile(member, summed)
        return Part(name, member.size, summed.sum.hexdigest())


class _Summed(io.RawIOBase):
    """A file that adds up what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.sum.update(piece)
        return piece
