"""Panel logins: users' sessions in the database, behind a random token that only the browser has."""

import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.auth import passwords
from sora2api.auth.address import Caller
from sora2api.auth.attempts import Attempts
from sora2api.auth.first_start import ADMIN, DEFAULT_PASSWORD, FirstStart
from sora2api.auth.users import Role
from sora2api.errors import ClientError, InvalidValue
from sora2api.store import tables
from sora2api.store.database import Database

IDLE: Final = 12 * 3600.0
LONGEST: Final = 7 * 86400.0
_SEEN_STEP: Final = 60.0
_TOKEN_BYTES: Final = 32
_LONGEST_NAME: Final = 100


class WrongLogin(ClientError):
    """The name or the password is wrong."""

    status = 401
    code = "wrong_login"
    type = "authentication_error"


class SessionEnded(ClientError):
    """The session has ended: log in again."""

    status = 401
    code = "session_ended"
    type = "authentication_error"


class Session(msgspec.Struct, frozen=True):
    """A login. `csrf` goes into every form; `must_change`: it was made with the default password, and can only end
    that password or itself.
    """

    hash: str
    user_id: str
    user: str
    must_change: bool
    csrf: str
    role: Role


class Sessions:
    """Logging in and out. A session ends idle or old, with its user's password, and with the defaults it was made by.

    The default login is a user without a password of its own (`must_change`), made when it is first used.
    """

    def __init__(
        self,
        database: Database,
        first_start: FirstStart,
        *,
        clock: Callable[[], float] = time.time,
        attempts: Attempts | None = None,
    ) -> None:
        self._database = database
        self._first_start = first_start
        self._clock = clock
        self._attempts = attempts or Attempts()

    async def log_in(self, name: str, password: str, *, caller: Caller, origin: str | None) -> str:
        """Open a session and return its token. Raises `WrongLogin` or `TooManyAttempts` (with `retry_after`)."""
        name = name.strip().lower()[:_LONGEST_NAME]
        self._attempts.begin(name, caller.address)
        user = await self._user(name)
        if name == ADMIN and (user is None or user.must_change):
            right = passwords.same(password, DEFAULT_PASSWORD) and self._first_start.default_login_holds(caller, origin)
        else:
            right = await passwords.matches(user and user.password, password)
        if not right:
            raise WrongLogin
        token = await self._open(name, verified=user)
        self._attempts.forgive(name, caller.address)
        return token

    async def offers_default(self, caller: Caller) -> bool:
        """Whether *caller* could log in with the default password: to say so on the login page."""
        if not self._first_start.default_key_holds(caller):
            return False
        user = await self._user(ADMIN)
        return user is None or bool(user.must_change)

    async def find(self, token: str, caller: Caller) -> Session | None:
        """The session that a browser's *token* stands for, None where it has ended."""
        sessions, users = tables.sessions, tables.users
        query = (
            select(sessions, users.c.name, users.c.must_change, users.c.role)
            .join(users, users.c.id == sessions.c.user_id)
            .where(sessions.c.hash == _hash(token), ~self._ended())
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or (row.must_change and not self._first_start.default_key_holds(caller)):
            return None
        if self._clock() - row.seen_at > _SEEN_STEP:
            seen = update(sessions).where(sessions.c.hash == row.hash).values(seen_at=self._clock())
            await self._database.write(lambda connection: connection.execute(seen))
        return Session(row.hash, row.user_id, row.name, row.must_change, row.csrf, row.role)

    async def lasts(self, session: Session) -> bool:
        """Whether it has not ended; to look does not make it last longer."""
        still = select(tables.sessions.c.hash).where(tables.sessions.c.hash == session.hash, ~self._ended())
        async with self._database.reading() as connection:
            return (await connection.execute(still)).first() is not None

    async def end(self, session: Session) -> None:
        ended = delete(tables.sessions).where(tables.sessions.c.hash == session.hash)
        await self._database.write(lambda connection: connection.execute(ended))

    async def change_password(self, session: Session, new: str) -> str:
        """Give the session's user a *new* password, end all its sessions, and return a new one's token.

        A password that will not do raises `InvalidValue`; a session that has just ended, `SessionEnded`.
        """
        passwords.check_new(new)
        if session.user.lower() in new.lower():
            raise InvalidValue("The password must not contain the user's name.", param="password")
        changed = {"password": await passwords.hashed(new), "must_change": False}
        opening = _Opening(session.user_id, self._clock())
        sessions, users = tables.sessions, tables.users

        async def write(connection: AsyncConnection) -> None:
            ended = delete(sessions).where(sessions.c.user_id == session.user_id)
            still = select(sessions.c.hash).where(sessions.c.hash == session.hash, ~self._ended())
            if (await connection.execute(still)).first() is None:
                raise SessionEnded
            await connection.execute(ended)
            await connection.execute(update(users).where(users.c.id == session.user_id).values(**changed))
            await connection.execute(opening.insert)

        await self._database.write(write)
        return opening.token

    async def _user(self, name: str) -> Row[Any] | None:
        async with self._database.reading() as connection:
            return (await connection.execute(_named(name))).one_or_none()

    async def _open(self, name: str, *, verified: Row[Any] | None) -> str:
        """Open a session, unless the user has changed since the password was *verified*."""
        opening = _Opening(ADMIN if verified is None else verified.id, self._clock())

        async def write(connection: AsyncConnection) -> None:
            if (await connection.execute(_named(name))).one_or_none() != verified:
                raise WrongLogin
            if verified is None:
                await connection.execute(
                    insert(tables.users).values(
                        id=ADMIN, name=ADMIN, password="", must_change=True, created_at=opening.at
                    )
                )
            await connection.execute(delete(tables.sessions).where(self._ended()))
            await connection.execute(opening.insert)

        await self._database.write(write)
        return opening.token

    def _ended(self) -> Any:
        now, sessions = self._clock(), tables.sessions
        return or_(sessions.c.seen_at < now - IDLE, sessions.c.created_at < now - LONGEST)


class _Opening:
    """A new session: its token, and the statement that stores its hash."""

    def __init__(self, user_id: str, at: float) -> None:
        self.at = at
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.insert = insert(tables.sessions).values(
            hash=_hash(self.token),
            user_id=user_id,
            csrf=secrets.token_urlsafe(_TOKEN_BYTES),
            created_at=at,
            seen_at=at,
        )


def _named(name: str) -> Any:
    return select(tables.users).where(tables.users.c.name == name)


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogateescape")).hexdigest()
