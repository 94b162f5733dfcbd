"""The defaults of a first start: when they hold, and what takes their place.

The default panel login (`admin`/`admin`) and the default API key (`han1234`) hold while the server listens on loopback
alone, is not under a service manager, and no real account was ever added; and then only for local callers. What ends
them makes the first key and a password, for good: a later start on loopback does not bring the defaults back.

- A key that the operator makes works beside the default one, which ends no sooner.
- A password that the operator sets takes the default one's place at once, and stays: what ends the defaults later then
  makes no other. The default key goes on until then.
- The first key has the default key's id, so that jobs made with the default key stay its holder's.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.auth import passwords
from sora2api.auth.address import Caller, is_loopback, is_loopback_origin
from sora2api.auth.keys import ApiKey, hash_of, hint_of, key_columns, new_secret
from sora2api.store import tables
from sora2api.store.database import Database, bump

ADMIN: Final = "admin"
DEFAULT_PASSWORD: Final = "admin"  # noqa: S105 - documented, and void wherever it could do harm
DEFAULT_SECRET: Final = "han1234"  # noqa: S105 - as above
DEFAULT_KEY: Final = ApiKey("default", "default", hint_of(DEFAULT_SECRET), 0.0)
FILE: Final = "first-login.txt"
_SERVICE_MANAGER: Final = ("INVOCATION_ID", "NOTIFY_SOCKET")
_PASSWORD_BYTES: Final = 15


class Issued(msgspec.Struct, frozen=True):
    """What took the defaults' place, to be shown once; `file` holds it too. No password: the operator had set one."""

    password: str | None
    key: str
    file: Path


class Ending:
    """The end of the defaults as a write, to share a transaction with what ends them: `await ending(connection)`.

    Returns None, and does nothing, where they have ended before. Can be run twice, as `Database.write` wants.
    """

    def __init__(self, folder: Path, password: str, password_hash: str) -> None:
        self._file = folder / FILE
        self._password = password
        self._password_hash = password_hash
        self._secret = new_secret()
        self._at = time.time()

    @classmethod
    async def prepare(cls, folder: Path) -> "Ending":
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        return cls(folder, password, await passwords.hashed(password))

    async def __call__(self, connection: AsyncConnection) -> Issued | None:
        if await _ended(connection):
            return None
        issued = Issued(await self._new_password(connection), self._secret, self._file)
        key = msgspec.structs.replace(DEFAULT_KEY, name="first", hint=hint_of(self._secret), created_at=self._at)
        await connection.execute(insert(tables.keys).values(**key_columns(key), hash=hash_of(self._secret)))
        await bump(connection)
        # Before the commit: a crash leaves a file too many, never a login that nobody knows.
        await asyncio.to_thread(_leave, issued)
        return issued

    async def _new_password(self, connection: AsyncConnection) -> str | None:
        users, sessions = tables.users, tables.sessions
        found = (await connection.execute(select(users).where(users.c.id == ADMIN))).one_or_none()
        if found is not None and found.password:
            return None
        new = {"password": self._password_hash, "must_change": False}
        if found is None:
            await connection.execute(insert(users).values(id=ADMIN, name=ADMIN, created_at=self._at, **new))
        else:
            await connection.execute(delete(sessions).where(sessions.c.user_id == ADMIN))
            await connection.execute(update(users).where(users.c.id == ADMIN).values(**new))
        return self._password


async def end_defaults(database: Database, folder: Path) -> Issued | None:
    """End the defaults, if they have not ended yet, and return what took their place."""
    async with database.reading() as connection:
        if await _ended(connection):
            return None
    return await database.write(await Ending.prepare(folder))


class FirstStart:
    """Whether the defaults hold, for a running server. Register `reload` to hear of an account added beside it."""

    def __init__(self, database: Database, *, hosts: Sequence[str], environment: Mapping[str, str]) -> None:
        self._database = database
        self._possible = all(map(is_loopback, hosts)) and not any(map(environment.get, _SERVICE_MANAGER))
        self._over = True

    @classmethod
    async def open(
        cls,
        database: Database,
        folder: Path,
        *,
        hosts: Sequence[str],
        environment: Mapping[str, str] = os.environ,
    ) -> tuple["FirstStart", Issued | None]:
        """What holds for a server that will listen on *hosts*; and what was made where the defaults do not hold.

        Do this before keys are loaded, so that the first of them is there at once.
        """
        first_start = cls(database, hosts=hosts, environment=environment)
        await first_start.reload()
        return first_start, None if first_start.holds else await end_defaults(database, folder)

    @property
    def holds(self) -> bool:
        return self._possible and not self._over

    async def reload(self) -> None:
        async with self._database.reading() as connection:
            self._over = await _ended(connection) or await _real_account(connection)

    def default_key_holds(self, caller: Caller) -> bool:
        return self.holds and caller.local

    def default_login_holds(self, caller: Caller, origin: str | None) -> bool:
        """As the key, and only from a page of this machine; *origin* is the request's Origin header."""
        return self.default_key_holds(caller) and is_loopback_origin(origin)


async def _ended(connection: AsyncConnection) -> bool:
    """The first key is there, be it revoked."""
    keys = tables.keys
    return (await connection.execute(select(keys.c.id).where(keys.c.id == DEFAULT_KEY.id))).first() is not None


async def _real_account(connection: AsyncConnection) -> bool:
    accounts = tables.accounts
    return (await connection.execute(select(accounts.c.id).where(~accounts.c.sandbox).limit(1))).first() is not None


def _leave(issued: Issued) -> None:
    """Write the file, which only its owner reads, whole or not at all."""
    lines = ["Made when the defaults ended. Keep what you need, then delete this file.", ""]
    if issued.password is not None:
        lines += [f"Panel login: {ADMIN}", f"Panel password: {issued.password}"]
    lines += [f"API key: {issued.key}", ""]
    draft = issued.file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(issued.file)
