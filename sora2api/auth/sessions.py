"""Panel logins: users' sessions in the database, behind a random token that only the browser has."""

import secrets
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.auth import passwords
from sora2api.auth.address import Caller
from sora2api.auth.attempts import Attempts
from sora2api.auth.first_start import ADMIN, DEFAULT_PASSWORD, FirstStart
from sora2api.auth.totp import SecondFactors
from sora2api.auth.users import Role
from sora2api.errors import ClientError, InvalidValue, NotFound
from sora2api.store import tables
from sora2api.store.database import Database

IDLE: Final = 12 * 3600.0
LONGEST: Final = 7 * 86400.0
PROVED: Final = 300.0
"""How long it counts that a password was given, in seconds."""
_SEEN_STEP: Final = 60.0
_MOST_TRIES: Final = 5
_MOST_LISTED: Final = 500
_ID_LENGTH: Final = 16
_LONGEST_ADDRESS: Final = 64
_LONGEST_AGENT: Final = 200
_TOKEN_BYTES: Final = 32
_LONGEST_NAME: Final = 100


class WrongLogin(ClientError):
    """The name or the password is wrong."""

    status = 401
    code = "wrong_login"
    type = "authentication_error"


class CodeNeeded(ClientError):
    """The password is right: now the code of the second factor, with the *ticket* that stands for what was shown."""

    status = 401
    code = "code_needed"
    type = "authentication_error"

    def __init__(self, ticket: str) -> None:
        super().__init__()
        self.ticket = ticket


class WrongCode(WrongLogin):
    """The code is wrong, or was used before."""

    code = "wrong_code"


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
    second_factor: bool = False
    proved_at: float | None = None
    """When the password was last given."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is listed: whose, from which address and browser it was begun, and when it was used last."""

    id: str
    user_id: str
    user: str
    created_at: float
    seen_at: float
    address: str | None
    agent: str | None


class _Ticket(msgspec.Struct):
    name: str
    verified: Row[Any]
    until: float
    tries: int = 0


class Sessions:
    """Logging in and out. A session ends idle or old, with its user's password, and with the defaults it was made by.

    The default login is a user without a password of its own (`must_change`), made when it is first used.
    """

    def __init__(
        self,
        database: Database,
        first_start: FirstStart,
        factors: SecondFactors,
        *,
        clock: Callable[[], float] = time.time,
        attempts: Attempts | None = None,
    ) -> None:
        self._database = database
        self._first_start = first_start
        self._factors = factors
        self._tickets: dict[str, _Ticket] = {}
        self._clock = clock
        self._attempts = attempts or Attempts()

    async def log_in(self, name: str, password: str, *, caller: Caller, origin: str | None, agent: str = "") -> str:
        """Open a session and return its token. *agent* is what the browser calls itself.

        Raises `WrongLogin`, `TooManyAttempts` (with `retry_after`), or `CodeNeeded`, with what `finish` wants.
        """
        name = name.strip().lower()[:_LONGEST_NAME]
        self._attempts.begin(name, caller.address)
        user = await self._user(name)
        if name == ADMIN and (user is None or not user.password):
            right = passwords.same(password, DEFAULT_PASSWORD) and self._first_start.default_login_holds(caller, origin)
        else:
            right = await passwords.matches(user and user.password, password)
        if not right or (user is not None and user.disabled_at is not None):
            raise WrongLogin
        self._attempts.forgive(name, caller.address)
        if user is not None and user.totp is not None:
            raise CodeNeeded(self._ticket(name, user))
        return await self._open(name, verified=user, address=caller.address, agent=agent)

    async def finish(self, ticket: str, code: str, *, caller: Caller, agent: str = "") -> str:
        """Open the session that a *ticket* stands for, if the *code* is right; its token.

        Raises `WrongCode`, `WrongLogin` where the ticket is over, or `TooManyAttempts`.
        """
        held = self._tickets.get(ticket)
        if held is None or held.until < self._clock() or held.tries >= _MOST_TRIES:
            self._tickets.pop(ticket, None)
            raise WrongLogin("Too much time has gone by, or too many codes: begin again.")
        held.tries += 1
        counted = f"code of {held.name}"
        self._attempts.begin(counted, caller.address)
        if not await self._factors.check(held.verified.id, code):
            raise WrongCode
        self._attempts.forgive(counted, caller.address)
        del self._tickets[ticket]
        # A recovery code has just been used up, so that alone may differ.
        now = await self._user(held.name)
        if now is None or now.password != held.verified.password or now.disabled_at is not None:
            raise WrongLogin
        return await self._open(held.name, verified=now, address=caller.address, agent=agent)

    async def prove(self, session: Session, password: str, *, caller: Caller) -> None:
        """Hear the password once more, before a secret is shown. Raises `WrongLogin` or `TooManyAttempts`."""
        self._attempts.begin(session.user, caller.address)
        user = await self._user(session.user)
        if user is None or not await passwords.matches(user.password, password):
            raise WrongLogin("The password is wrong.")
        self._attempts.forgive(session.user, caller.address)
        sessions = tables.sessions
        proved = update(sessions).where(sessions.c.hash == session.hash).values(proved_at=self._clock())
        await self._database.write(lambda connection: connection.execute(proved))

    def proved(self, session: Session) -> bool:
        """Whether the password was given within the last minutes."""
        return session.proved_at is not None and 0 <= self._clock() - session.proved_at < PROVED

    def _ticket(self, name: str, user: Row[Any]) -> str:
        now = self._clock()
        self._tickets = {ticket: held for ticket, held in self._tickets.items() if held.until > now}
        ticket = secrets.token_urlsafe(_TOKEN_BYTES)
        self._tickets[ticket] = _Ticket(name, user, now + PROVED)
        return ticket

    async def offers_default(self, caller: Caller) -> bool:
        """Whether *caller* could log in with the default password: to say so on the login page."""
        if not self._first_start.default_key_holds(caller):
            return False
        user = await self._user(ADMIN)
        return user is None or not user.password

    async def find(self, token: str, caller: Caller, *, used: bool = True) -> Session | None:
        """The session that a browser's *token* stands for, None where it has ended. It lasts longer if it is *used*."""
        sessions, users = tables.sessions, tables.users
        query = (
            select(sessions, users.c.name, users.c.must_change, users.c.role, users.c.password, users.c.totp)
            .join(users, users.c.id == sessions.c.user_id)
            .where(sessions.c.hash == _hash(token), ~self._ended(), users.c.disabled_at.is_(None))
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or (not row.password and not self._first_start.default_key_holds(caller)):
            return None
        if used and self._clock() - row.seen_at > _SEEN_STEP:
            seen = update(sessions).where(sessions.c.hash == row.hash).values(seen_at=self._clock())
            await self._database.write(lambda connection: connection.execute(seen))
        return Session(
            hash=row.hash,
            user_id=row.user_id,
            user=row.name,
            must_change=row.must_change,
            csrf=row.csrf,
            role=row.role,
            second_factor=row.totp is not None,
            proved_at=row.proved_at,
        )

    async def lasts(self, session: Session) -> bool:
        """Whether it has not ended; to look does not make it last longer."""
        still = select(tables.sessions.c.hash).where(tables.sessions.c.hash == session.hash, ~self._ended())
        async with self._database.reading() as connection:
            return (await connection.execute(still)).first() is not None

    async def end(self, session: Session) -> None:
        ended = delete(tables.sessions).where(tables.sessions.c.hash == session.hash)
        await self._database.write(lambda connection: connection.execute(ended))

    async def list(self, user_id: str | None = None) -> Sequence[Login]:
        """The sessions of a user, or of all, that used last first."""
        sessions, users = tables.sessions, tables.users
        wanted = select(sessions, users.c.name.label("user")).join(users, users.c.id == sessions.c.user_id)
        wanted = wanted.where(~self._ended()).order_by(sessions.c.seen_at.desc()).limit(_MOST_LISTED)
        if user_id is not None:
            wanted = wanted.where(sessions.c.user_id == user_id)
        plain = [name for name in Login.__struct_fields__ if name != "id"]
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).all()
        return [Login(id=public_id(row.hash), **{name: getattr(row, name) for name in plain}) for row in rows]

    async def end_listed(self, login_id: str, *, user_id: str | None = None) -> Login:
        """End a session by its id, of that user where one is given. Raises `NotFound`."""
        found = next((login for login in await self.list(user_id) if login.id == login_id), None)
        if found is None:
            raise NotFound("There is no such session.", param="id")
        ended = delete(tables.sessions).where(tables.sessions.c.hash.startswith(login_id))
        await self._database.write(lambda connection: connection.execute(ended))
        return found

    async def end_others(self, session: Session) -> None:
        """End all other sessions of a session's user."""
        sessions = tables.sessions
        ended = delete(sessions).where(sessions.c.user_id == session.user_id, sessions.c.hash != session.hash)
        await self._database.write(lambda connection: connection.execute(ended))

    async def change_password(self, session: Session, new: str, *, address: str = "", agent: str = "") -> str:
        """Give the session's user a *new* password, end all its sessions, and return a new one's token.

        A password that will not do raises `InvalidValue`; a session that has just ended, `SessionEnded`.
        """
        passwords.check_new(new)
        if session.user.lower() in new.lower():
            raise InvalidValue("The password must not contain the user's name.", param="password")
        changed = {"password": await passwords.hashed(new), "must_change": False}
        opening = _Opening(session.user_id, self._clock(), address=address, agent=agent)
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

    async def _open(self, name: str, *, verified: Row[Any] | None, address: str, agent: str) -> str:
        """Open a session, unless the user has changed since the password was *verified*."""
        user_id = ADMIN if verified is None else verified.id
        opening = _Opening(user_id, self._clock(), address=address, agent=agent)

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

    def __init__(self, user_id: str, at: float, *, address: str, agent: str) -> None:
        self.at = at
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.insert = insert(tables.sessions).values(
            hash=_hash(self.token),
            user_id=user_id,
            csrf=secrets.token_urlsafe(_TOKEN_BYTES),
            created_at=at,
            seen_at=at,
            proved_at=at,
            address=address[:_LONGEST_ADDRESS],
            agent=agent[:_LONGEST_AGENT],
        )


def public_id(hashed: str) -> str:
    """What a session is called where others see it."""
    return hashed[:_ID_LENGTH]


def _named(name: str) -> Any:
    return select(tables.users).where(tables.users.c.name == name)


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogateescape")).hexdigest()
