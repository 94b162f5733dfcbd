"""The file of the secret key: read by its owner alone, and replaced in steps of which each leaves one that is whole."""

import base64
import binascii
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from sora2api.errors import Sora2ApiError

FILE: Final = "secret.key"
NEXT: Final = "secret.key.new"
"""The key that is to take the place of `FILE` once the data is sealed with it."""
_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

log = logging.getLogger(__name__)


class UnusableKeyFile(Sora2ApiError):
    """The file of the secret key cannot be used."""

    code = "unusable_key_file"


def read(path: Path) -> bytes | None:
    """The key in the file at *path*, None where there is none.

    A file that others may read is closed to them, with a warning; where that is not allowed, it is not used.
    """
    key = look(path)
    if key is not None:
        _close_to_others(path)
    return key


def look(path: Path) -> bytes | None:
    """The same, but whoever may read the file, and with nothing done about that."""
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        key = base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise UnusableKeyFile(f"{path} is damaged: put it back from a backup.") from error
    if len(key) != _BYTES:
        raise UnusableKeyFile(f"{path} is damaged: put it back from a backup.")
    return key


def make(path: Path) -> bytes:
    """A new key in a file at *path*, on disk when this returns; where another process was faster, its key."""
    key = secrets.token_bytes(_BYTES)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(key))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # nobody ever sees half a key
    except FileExistsError:
        key = read(path) or key
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return key


def put_in_place(folder: Path) -> None:
    """Let the next key be the key; another process may have done so already."""
    try:
        (folder / NEXT).replace(folder / FILE)
    except FileNotFoundError:
        return
    sync_folder(folder)


def drafts(folder: Path) -> list[str]:
    """What a crash has left of making a key."""
    return [path.name for path in folder.glob(f".{FILE}*")]


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Have what was made, renamed or removed in *folder* on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _close_to_others(path: Path) -> None:
    if not path.stat().st_mode & _OTHERS:
        return
    try:
        path.chmod(0o600)
    except PermissionError as error:
        raise UnusableKeyFile(f"Others than its owner may read {path}: its mode must be 0600.") from error
    log.warning(
        "others could read the secret key: if they may have, run `sora2api secrets rotate`", extra={"file": path}
    )
