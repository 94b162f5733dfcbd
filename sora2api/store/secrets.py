"""Secrets at rest: one key, from the environment or a file that only its owner reads."""

import base64
import fcntl
import os
import secrets
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Column, Table

from sora2api.errors import Sora2ApiError
from sora2api.store import key_file
from sora2api.store.database import FILE as DATABASE
from sora2api.store.key_file import FILE, UnusableKeyFile
from sora2api.store.tables import metadata

VARIABLE: Final = "SORA2API_SECRET_KEY"
OLD_VARIABLE: Final = "SORA2API_OLD_SECRET_KEY"
ROOT: Final = "root"
"""The name of the sealed row that further keys are derived from. It also tells which key opens the data."""
_NONCE: Final = 12


class WrongSecretKey(Sora2ApiError):
    """The secret key is not the one that this data was sealed with."""

    code = "wrong_secret_key"


class Secrets:
    """Seals and opens with AES-GCM; derives further keys from *root*, which outlives the key."""

    def __init__(self, key: bytes, *, root: bytes | None = None) -> None:
        self.root = root or key
        self._seal = AESGCM(_derived(key, "seal"))

    @classmethod
    def open(cls, folder: Path) -> "Secrets":
        """The key that is given (`given_key`, any text), else that of the file in *folder*, made at the first start.

        Raises `WrongSecretKey` where the database in *folder* was sealed with another one. As long as what this returns
        is in use, the key is not changed; waits while that is being done. Blocking.
        """
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            vault = rooted(_key(folder), folder)
        except BaseException:
            os.close(lock)
            raise
        weakref.finalize(vault, os.close, lock)
        return vault

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one *purpose*."""
        return _derived(self.root, purpose)

    def seal(self, text: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._seal.encrypt(nonce, text.encode(), None)

    def unseal(self, sealed: bytes) -> str:
        try:
            return self._seal.decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
        except InvalidTag as error:
            raise WrongSecretKey from error


def key_of(text: str) -> bytes:
    """The key that a variable's *text* stands for."""
    return sha256(text.encode()).digest()


def opens(key: bytes, sealed: bytes | None) -> bool:
    """Whether *key* is the one of what was *sealed*; where nothing was, any key is."""
    if sealed is None:
        return True
    try:
        Secrets(key).unseal(sealed)
    except WrongSecretKey:
        return False
    return True


def sealed_columns() -> Iterator[tuple[Table, list[Column[bytes]]]]:
    """The tables with something sealed, and their columns of it."""
    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if column.info.get("sealed")]
        if columns:
            yield table, columns


def sealed_sample(folder: Path) -> bytes | None:
    """Something that the database in *folder* has sealed, None where there is nothing."""
    path = folder / DATABASE
    if not path.exists():
        return None
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        return sample_in(connection)


def sample_in(connection: sqlite3.Connection) -> bytes | None:
    """The same, of a database that is open, of any revision."""
    for table, columns in sealed_columns():
        there = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table.name,))}
        for column in columns:
            if column.name not in there:  # in an older schema
                continue
            # both names are our own
            query = f"SELECT {column.name} FROM {table.name} WHERE {column.name} IS NOT NULL LIMIT 1"  # noqa: S608
            found = connection.execute(query).fetchone()
            if found is not None:
                return bytes(found[0])
    return None


def file_key(folder: Path, sealed: bytes | None) -> bytes | None:
    """The key of a file in *folder* that opens what was *sealed*.

    Where a change of keys was broken off after the data had been sealed anew, it is ended here.
    """
    key = key_file.read(folder / FILE)
    if key is not None and opens(key, sealed):
        return key
    coming = key_file.read(folder / key_file.NEXT)
    if coming is None or sealed is None or not opens(coming, sealed):
        return None
    key_file.put_in_place(folder)
    return coming


def given_key(variable: str = VARIABLE) -> str | None:
    """The key in the *variable*, or in the file that `<variable>_FILE` names, as service managers hand secrets on."""
    named = os.environ.get(f"{variable}_FILE")
    if os.environ.get(variable) or not named:
        return os.environ.get(variable)
    try:
        return Path(named).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableKeyFile(f"{variable}_FILE names a file that cannot be read: {error}") from error


def _key(folder: Path) -> bytes:
    sealed = sealed_sample(folder)
    given = given_key()
    if given:
        key = key_of(given)
        if not opens(key, sealed):
            raise WrongSecretKey(_wrong_variable(folder, sealed))
        return key
    found = file_key(folder, sealed)
    if found is not None:
        return found
    if sealed is None:
        return key_file.make(folder / FILE)
    raise WrongSecretKey(_wrong_file(folder / FILE))


def _wrong_variable(folder: Path, sealed: bytes | None) -> str:
    if file_key(folder, sealed) is not None:
        return (
            f"The data was sealed with the key in {folder / FILE}: unset {VARIABLE} to go on with that,"
            " or run `sora2api secrets rotate` to go over to the key in the variable."
        )
    return (
        f"{VARIABLE} is not the key that the data in {folder} was sealed with: give that one. To change it, run"
        f" `sora2api secrets rotate` with the new one in {VARIABLE} and the old one in {OLD_VARIABLE}."
    )


def _wrong_file(path: Path) -> str:
    what = "is not the key that the data was sealed with" if path.exists() else "is missing"
    return f"{path} {what}: put the right one back from a backup, or set {VARIABLE} if the key was given by that."


def rooted(key: bytes, folder: Path) -> Secrets:
    """Secrets under *key*, with the root that the database in *folder* has; at the first start it is the key itself."""
    path = folder / DATABASE
    if not path.exists():
        return Secrets(key)
    vault = Secrets(key)
    query = "SELECT value FROM secrets WHERE name = ?"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        found = connection.execute(query, (ROOT,)).fetchone()
        if found is None:
            first = vault.seal(written(key))
            connection.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (ROOT, first))
            found = connection.execute(query, (ROOT,)).fetchone()
    return Secrets(key, root=base64.b64decode(vault.unseal(found[0])))


def written(root: bytes) -> str:
    """A *root* as it is sealed."""
    return base64.b64encode(root).decode()


def _derived(root: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(root)
