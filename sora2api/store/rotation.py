"""Changing the secret key: everything that is sealed is sealed anew in one transaction.

A crash at any moment leaves the data sealed with one of two keys that are both kept: the new one is on disk before the
transaction begins, the old one until it is over, and a start takes the one that opens the data.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import Sora2ApiError
from sora2api.store import key_file, tables
from sora2api.store.secrets import (
    OLD_VARIABLE,
    ROOT,
    VARIABLE,
    Secrets,
    WrongSecretKey,
    file_key,
    given_key,
    key_of,
    opens,
    rooted,
    sealed_columns,
    sealed_sample,
    written,
)


class SecretsInUse(Sora2ApiError):
    """Something runs that uses the secret key: try again when it has ended."""

    code = "secrets_in_use"


class NoOldKey(Sora2ApiError):
    """The key that the data is sealed with has to be given too."""

    code = "no_old_key"


class Rotation(Struct, frozen=True):
    """From one key to another. *to_file*: the new one is in a file, else in the environment."""

    folder: Path
    old: Secrets
    new: Secrets
    to_file: bool

    async def reseal(self, connection: AsyncConnection, *, new_root: bool) -> int:
        """Seal everything with the new key; how many values. *new_root*: further keys become others too."""
        count = 0
        for table, columns in sealed_columns():
            keys = list(table.primary_key)
            rows = (await connection.execute(select(*keys, *columns))).all()
            changes = []
            for row in rows:
                where = {f"key_{key.name}": getattr(row, key.name) for key in keys}
                sealed = {f"new_{column.name}": self._anew(getattr(row, column.name)) for column in columns}
                changes.append(where | sealed)
                count += sum(value is not None for value in sealed.values())
            if changes:
                change = update(table).where(*(key == bindparam(f"key_{key.name}") for key in keys))
                values: dict[str, Any] = {column.name: bindparam(f"new_{column.name}") for column in columns}
                await connection.execute(change.values(values), changes)
        if new_root:
            root = self.new.seal(written(secrets.token_bytes(32)))
            await connection.execute(update(tables.secrets).where(tables.secrets.c.name == ROOT).values(value=root))
        return count

    def _anew(self, sealed: bytes | None) -> bytes | None:
        return None if sealed is None else self.new.seal(self.old.unseal(sealed))

    def end(self) -> None:
        """The transaction is over: let nothing remain of the old key. Blocking."""
        if self.to_file:
            key_file.put_in_place(self.folder)
        else:
            key_file.remove(self.folder, key_file.FILE, key_file.NEXT)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others from opening secrets. Raises `SecretsInUse` where somebody has them open."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SecretsInUse(f"Another command works on {folder}: try again when it has ended.") from None
        yield
    finally:
        os.close(lock)


def begin(folder: Path) -> Rotation | None:
    """Find both keys, with a new one on disk where that is not the environment's; None: there is nothing to change.

    To be called while `alone`. Blocking.
    """
    sealed = sealed_sample(folder)
    given, old_given = given_key(), given_key(OLD_VARIABLE)
    if given and sealed is not None and opens(key_of(given), sealed):
        if not old_given and not (folder / key_file.FILE).exists():
            raise NoOldKey(
                f"The data is sealed with the key of {VARIABLE}: to change it, set {VARIABLE} to the new one and"
                f" {OLD_VARIABLE} to this one; to go over to a key file, unset {VARIABLE} and set {OLD_VARIABLE}."
            )
        key_file.remove(folder, key_file.FILE, key_file.NEXT)
        return None
    old = _old_key(folder, old_given, sealed)
    if given:
        return Rotation(folder, old, Secrets(key_of(given)), to_file=False)
    key_file.remove(folder, key_file.NEXT, *key_file.drafts(folder))
    return Rotation(folder, old, Secrets(key_file.make(folder / key_file.NEXT)), to_file=True)


def _old_key(folder: Path, given: str | None, sealed: bytes | None) -> Secrets:
    if given:
        key: bytes | None = key_of(given)
    elif sealed is None:
        key = key_file.read(folder / key_file.FILE) or key_file.make(folder / key_file.FILE)
    else:
        key = file_key(folder, sealed)
    if key is None or not opens(key, sealed):
        where = OLD_VARIABLE if given else folder / key_file.FILE
        raise WrongSecretKey(f"The data in {folder} was not sealed with the key of {where}.")
    return rooted(key, folder)
