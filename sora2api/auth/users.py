"""Those who may use the panel: names, roles, and the making and changing of them."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Delete, Row, Update, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.auth import passwords
from sora2api.errors import InvalidRequest, InvalidValue, NotFound
from sora2api.store.database import Database
from sora2api.store.tables import sessions, users

Role = Literal["viewer", "operator", "administrator"]
"""What somebody may do: look; also work with jobs, accounts and keys; also settings, users and secrets."""

_LONGEST_NAME: Final = 100
_PASSWORD_BYTES: Final = 12


class User(Struct, frozen=True, kw_only=True):
    """Somebody who may log in. *must_change*: the password was given by somebody else, so the next login changes it.

    *second_factor*: asked for a code too. *seen_at*: the last use of the sessions that there are.
    """

    id: str
    name: str
    role: Role
    created_at: float
    disabled_at: float | None
    must_change: bool
    second_factor: bool
    sessions: int
    seen_at: float | None


class Users:
    """Reads and writes the table: what asks by it is rare, so nothing is held in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[User]:
        """All, by name."""
        async with self._database.reading() as connection:
            return [_user(row) for row in await connection.execute(_WITH_SESSIONS.order_by(users.c.name))]

    async def get(self, user_id: str) -> User:
        async with self._database.reading() as connection:
            row = (await connection.execute(_WITH_SESSIONS.where(users.c.id == user_id))).one_or_none()
        if row is None:
            raise NotFound(f"There is no user {user_id!r}.", param="id")
        return _user(row)

    async def named(self, word: str) -> User:
        """The user of an id or a name."""
        found = next((user for user in await self.list() if word in (user.id, user.name)), None)
        if found is None:
            raise NotFound(f"There is no user {word!r}.", param="id")
        return found

    async def add(self, name: str, role: Role) -> tuple[User, str]:
        """A new user, and the password for the first login, which is known only now."""
        user_id, password = f"user_{secrets.token_hex(8)}", secrets.token_urlsafe(_PASSWORD_BYTES)
        values = {
            "id": user_id,
            "name": _checked(name),
            "password": await passwords.hashed(password),
            "must_change": True,
            "created_at": time.time(),
            "role": role,
        }
        try:
            await self._database.write(lambda connection: connection.execute(insert(users).values(**values)))
        except IntegrityError as error:
            raise InvalidValue(f"There is a user {values['name']!r} already.", param="name") from error
        return await self.get(user_id), password

    async def change(self, user_id: str, role: Role) -> User:
        """Give a user another role, at once."""
        await self._change(user_id, update(users).values(role=role))
        return await self.get(user_id)

    async def disable(self, user_id: str) -> User:
        """Let a user in no more, and end the sessions."""
        await self._change(user_id, update(users).values(disabled_at=time.time()), end=True)
        return await self.get(user_id)

    async def enable(self, user_id: str) -> User:
        await self._change(user_id, update(users).values(disabled_at=None))
        return await self.get(user_id)

    async def remove(self, user_id: str) -> None:
        """Forget a user, whose sessions end; what the audit says of them stays."""
        await self._change(user_id, delete(users))

    async def end_sessions(self, user_id: str) -> int:
        """End all sessions of a user; how many."""
        ended = delete(sessions).where(sessions.c.user_id == user_id)

        async def write(connection: AsyncConnection) -> int:
            return (await connection.execute(ended)).rowcount

        return await self._database.write(write)

    async def reset_password(self, user_id: str) -> tuple[User, str]:
        """End a user's sessions, and let them in with a new password, known only now, to be changed at once."""
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        values = {"password": await passwords.hashed(password), "must_change": True}
        await self._change(user_id, update(users).values(**values), end=True)
        return await self.get(user_id), password

    async def _change(self, user_id: str, change: Update | Delete, *, end: bool = False) -> None:
        async def write(connection: AsyncConnection) -> None:
            if not (await connection.execute(change.where(users.c.id == user_id))).rowcount:
                raise NotFound(f"There is no user {user_id!r}.", param="id")
            if end:
                await connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
            rule = (users.c.role == "administrator") & users.c.disabled_at.is_(None)
            if not (await connection.execute(select(func.count()).select_from(users).where(rule))).scalar_one():
                raise InvalidRequest("This is the last administrator, and there must be one.")

        await self._database.write(write)


_WITH_SESSIONS: Final = (
    select(users, func.count(sessions.c.hash).label("logins"), func.max(sessions.c.seen_at).label("seen_at"))
    .outerjoin(sessions, sessions.c.user_id == users.c.id)
    .group_by(users.c.id)
)


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        must_change=row.must_change,
        second_factor=row.totp is not None,
        sessions=row.logins,
        seen_at=row.seen_at,
    )


def _checked(name: str) -> str:
    name = name.strip().lower()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidValue(f"A user's name has 1 to {_LONGEST_NAME} printable characters.", param="name")
    return name
