"""Reading a backup: nothing of it is believed but what its manifest confirms."""

import os
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, TypeVar

import msgspec

from sora2api.backup.manifest import DATABASE, FORMAT, KEYS, LABEL, MANIFEST, Label, Manifest, Part, is_known
from sora2api.errors import Sora2ApiError

_PIECE: Final = 1024 * 1024
_LARGEST_JSON: Final = 256 * 1024 * 1024
_MODE: Final = 0o755
_PRIVATE_MODE: Final = 0o600
_PRIVATE: Final = (DATABASE, *KEYS)
_CUT: Final = "This backup is cut off or damaged."
_FOREIGN: Final = "This file is no backup of sora2api."

T = TypeVar("T")


class BadBackup(Sora2ApiError):
    """The file is no backup of sora2api, or it is damaged."""

    code = "bad_backup"


class Reader:
    """Reads a backup from a *source* that need not be seekable. What is wrong with it raises `BadBackup`."""

    def __init__(self, source: IO[bytes]) -> None:
        try:
            self._tar = tarfile.open(fileobj=source, mode="r|")  # noqa: SIM115 - the source is the caller's
            first = self._tar.next()
        except tarfile.TarError as error:
            raise BadBackup(_FOREIGN) from error
        if first is None or first.name != LABEL:
            raise BadBackup(_FOREIGN)
        self.label = self._decoded(first, Label)
        if self.label.format > FORMAT:
            raise BadBackup(f"This backup is of a newer form: restore it with sora2api {self.label.version} or newer.")

    def extract(self, folder: Path) -> Manifest:
        """Put all members into the empty *folder*, each as the manifest has it. They need not be on disk yet."""
        found: dict[str, Part] = {}
        manifest = None
        for member in self._members():
            if manifest is not None or member.name in found:
                raise BadBackup(f"This file has one {member.name!r} too many in it.")
            if member.name == MANIFEST:
                manifest = self._decoded(member, Manifest)
            else:
                found[member.name] = self._extracted(member, folder)
        if manifest is None:
            raise BadBackup(_CUT)
        _check(manifest, found)
        return manifest

    def _members(self) -> Iterator[tarfile.TarInfo]:
        try:
            while (member := self._tar.next()) is not None:
                yield member
        except tarfile.TarError as error:
            raise BadBackup(_CUT) from error

    def _extracted(self, member: tarfile.TarInfo, folder: Path) -> Part:
        if member.type != tarfile.REGTYPE or not is_known(member.name):
            raise BadBackup(f"This file has {member.name!r} in it, which is no part of a backup.")
        path = folder / member.name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        total, length = sha256(), 0
        with path.open("xb") as file:
            os.fchmod(file.fileno(), member.mode & (_PRIVATE_MODE if member.name in _PRIVATE else _MODE))
            for piece in self._pieces(member):
                total.update(piece)
                length += file.write(piece)
        return Part(member.name, length, total.hexdigest())

    def _pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        file = self._tar.extractfile(member)
        try:
            while file is not None and (piece := file.read(_PIECE)):
                yield piece
        except tarfile.TarError as error:
            raise BadBackup(_CUT) from error

    def _decoded(self, member: tarfile.TarInfo, kind: type[T]) -> T:
        try:
            if member.size > _LARGEST_JSON:
                raise BadBackup(_CUT)
            return msgspec.json.decode(b"".join(self._pieces(member)), type=kind)
        except msgspec.MsgspecError as error:
            raise BadBackup(_CUT) from error


def _check(manifest: Manifest, found: dict[str, Part]) -> None:
    """Raise `BadBackup` where the members that were *found* are not those of the *manifest*."""
    told = {part.name: part for part in manifest.parts}
    if wrong := sorted(name for name in {*told, *found} if told.get(name) != found.get(name)):
        raise BadBackup(f"This backup is damaged: {wrong[0]} is not as it was.")
    if DATABASE not in found:
        raise BadBackup("This backup has no database in it.")
