"""What is in a backup: a tar whose first member says what it is, and whose last what must be in it.

Between them lie `sora2api.db.gz`, the kept files as they are (video does not get smaller), and what else was asked for.
The last member comes when all is known, so that a backup can be written to a pipe; without it the file was cut off.
"""

from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from sora2api.media.places import FOLDER as MEDIA
from sora2api.media.places import place
from sora2api.settings import FILE as SETTINGS
from sora2api.store import database, key_file

FORMAT: Final = 1
LABEL: Final = "backup.json"
MANIFEST: Final = "manifest.json"
DATABASE: Final = f"{database.FILE}.gz"
PLUGINS: Final = "plugins"
KEYS: Final = (key_file.FILE, key_file.NEXT)


class Label(Struct, frozen=True, kw_only=True):
    """What a backup is: its form, the program that made it, the schema of its database, and when (Unix seconds)."""

    format: int
    version: str
    revision: str
    created_at: float


class Part(Struct, frozen=True):
    """A member of the tar, as it is in there."""

    name: str
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What must be in a backup. *missing*: kept files that its database knows and that were not on the disk."""

    label: Label
    media: bool
    key: bool
    parts: tuple[Part, ...]
    missing: tuple[str, ...]

    def files(self) -> tuple[Part, ...]:
        """The kept files."""
        return tuple(part for part in self.parts if part.name.startswith(f"{MEDIA}/"))


def is_known(name: str) -> bool:
    """Whether a backup may have a member of that *name*; any other might lead anywhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or str(path) != name:
        return False
    if path.parts[0] == MEDIA:
        return path == place(path.name)
    return name in {DATABASE, SETTINGS, *KEYS} or (path.parts[0] == PLUGINS and len(path.parts) > 1)
