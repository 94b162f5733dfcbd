"""The secret key: whether it is the one that the data was sealed with. Unlike at a start, none is made or mended."""

from pathlib import Path
from secrets import token_bytes
from typing import Final

from sora2api.doctor.finding import Case, Finding, Unseen, warning, well, wrong
from sora2api.doctor.looking import reading, there
from sora2api.store import key_file
from sora2api.store.database import FILE as DATABASE
from sora2api.store.secrets import OLD_VARIABLE, VARIABLE, given_key, key_of, opens, sample_in

_CHECK: Final = "secret key"


def look(case: Case) -> list[Finding]:
    folder = case.folder
    sealed = _sealed(folder)
    try:
        if given := given_key():
            return [_variable(folder, key_of(given), sealed)]
        return [_file(folder, sealed)]
    except key_file.UnusableKeyFile as error:
        return [wrong(_CHECK, error.message, "Put it back from a backup, or give it to the user who runs this.")]
    except PermissionError as error:
        return [wrong(_CHECK, f"{error.filename} cannot be read.", "`chown` it to the server's user, `chmod 600` it.")]


def right_key(folder: Path) -> bytes:
    """The key that opens the data, any where nothing is sealed. Raises `Unseen` where it is not there."""
    sealed = _sealed(folder)
    if sealed is None:
        return token_bytes(32)
    try:
        given = given_key()
        names = (key_file.FILE, key_file.NEXT)
        keys = [key_of(given)] if given else [key_file.look(folder / name) for name in names]
    except (key_file.UnusableKeyFile, OSError) as error:
        raise Unseen("The secret key cannot be read.") from error
    for key in keys:
        if key is not None and opens(key, sealed):
            return key
    raise Unseen("The secret key does not open the data.")


def _sealed(folder: Path) -> bytes | None:
    path = folder / DATABASE
    if not there(path):
        return None
    with reading(path) as connection:
        return sample_in(connection)


def _variable(folder: Path, key: bytes, sealed: bytes | None) -> Finding:
    if opens(key, sealed):
        return well(_CHECK, f"{VARIABLE} opens what is sealed.")
    path = folder / key_file.FILE
    own = key_file.look(path)
    if own is not None and opens(own, sealed):
        advice = f"Unset {VARIABLE}, or go over to its key with `sora2api secrets rotate`."
        return wrong(_CHECK, f"The data was sealed with the key in {path}, not with {VARIABLE}.", advice)
    advice = f"Give the right one; to change it, `sora2api secrets rotate` with the old one in {OLD_VARIABLE}."
    return wrong(_CHECK, f"{VARIABLE} is not the key that the data was sealed with.", advice)


def _file(folder: Path, sealed: bytes | None) -> Finding:
    path = folder / key_file.FILE
    key = key_file.look(path)
    if key is not None and opens(key, sealed):
        return well(_CHECK, f"{path} opens what is sealed.")
    coming = key_file.look(folder / key_file.NEXT)
    if sealed is not None and coming is not None and opens(coming, sealed):
        return warning(_CHECK, "A change of the key was broken off at its end.", "Start the server: that ends it.")
    if sealed is None:
        return well(_CHECK, "Nothing is sealed yet: the first start makes a key.")
    what = "is not there" if key is None else "is not the key that the data was sealed with"
    advice = f"Put the right one back from a backup; if the key was given by {VARIABLE}, set that."
    return wrong(_CHECK, f"{path} {what}.", advice)
