"""Where kept files lie below the data directory: by the SHA-256 of their content."""

from pathlib import PurePosixPath
from typing import Final

FOLDER: Final = "media"


def place(sha256: str) -> PurePosixPath:
    return PurePosixPath(FOLDER, sha256[:2], sha256)
