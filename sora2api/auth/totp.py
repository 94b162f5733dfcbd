"""The second step of a login: codes by the clock (RFC 6238), and codes to recover with, each of which holds once."""

import asyncio
import base64
import secrets
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from io import BytesIO
from typing import Final

import msgspec
import pyotp
from msgspec import Struct
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.auth.passwords import same
from sora2api.errors import InvalidValue
from sora2api.store.database import Database
from sora2api.store.secrets import Secrets
from sora2api.store.tables import users

_ISSUER: Final = "sora2api"
_STEP: Final = 30
_ADRIFT: Final = (0, -1, 1)
"""How many steps a telephone's clock may be off."""
_RECOVERY: Final = 10
_RECOVERY_BYTES: Final = 10
_PENDING: Final = 900.0


class _Begun(Struct, frozen=True):
    secret: str
    until: float


class SecondFactors:
    """Who has a second factor, and whether a code is right. Its secret is sealed, recovery codes are kept as hashes."""

    def __init__(self, database: Database, vault: Secrets, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._begun: dict[str, _Begun] = {}
        self._used: dict[str, int] = {}

    def begin(self, user_id: str) -> str:
        """The secret that a user is about to put into a telephone; the same for a while."""
        begun = self._begun.get(user_id)
        if begun is None or begun.until < self._clock():
            begun = self._begun[user_id] = _Begun(pyotp.random_base32(), self._clock() + _PENDING)
        return begun.secret

    async def confirm(self, user_id: str, code: str) -> tuple[str, ...]:
        """Have the user asked for codes from now on, if this *code* is right; the recovery codes, known only now.

        A wrong one raises `InvalidValue`.
        """
        secret = self.begin(user_id)
        if not self._right(user_id, secret, code):
            raise InvalidValue("This code is wrong, or its time is over.", param="code")
        recovery = tuple(_recovery_code() for _ in range(_RECOVERY))
        await self._write(user_id, totp=self._vault.seal(secret), recovery=_encoded(map(_hash, recovery)))
        self._begun.pop(user_id, None)
        return recovery

    async def remove(self, user_id: str) -> None:
        """Ask the user for no more codes."""
        await self._write(user_id, totp=None, recovery=b"[]")

    async def check(self, user_id: str, code: str) -> bool:
        """Whether a *code* is right: by the clock and new, or one to recover with, which then holds no more."""
        wanted = select(users.c.totp).where(users.c.id == user_id)
        async with self._database.reading() as connection:
            sealed = (await connection.execute(wanted)).scalar_one_or_none()
        if sealed is None:
            return False
        return self._right(user_id, self._vault.unseal(sealed), code) or await self._recovered(user_id, code)

    def _right(self, user_id: str, secret: str, code: str) -> bool:
        step = int(self._clock()) // _STEP
        totp = pyotp.TOTP(secret)
        given = "".join(code.split())
        for adrift in _ADRIFT:
            if same(totp.generate_otp(step + adrift), given) and step + adrift > self._used.get(user_id, 0):
                self._used[user_id] = step + adrift
                return True
        return False

    async def _recovered(self, user_id: str, code: str) -> bool:
        hashed = _hash(code)

        async def write(connection: AsyncConnection) -> bool:
            left = await connection.execute(select(users.c.recovery).where(users.c.id == user_id))
            hashes = msgspec.json.decode(left.scalar_one(), type=list[str])
            if hashed not in hashes:
                return False
            hashes.remove(hashed)
            await connection.execute(update(users).where(users.c.id == user_id).values(recovery=_encoded(hashes)))
            return True

        return await self._database.write(write)

    async def _write(self, user_id: str, **values: bytes | None) -> None:
        changed = update(users).where(users.c.id == user_id).values(**values)
        await self._database.write(lambda connection: connection.execute(changed))


def address(secret: str, *, user: str) -> str:
    """The `otpauth:` address of a *secret*, which programs on telephones read."""
    return pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name=_ISSUER)


async def picture(text: str) -> bytes:
    """A QR code of a *text*, as SVG: dark on white, in either theme."""
    return await asyncio.to_thread(_drawn, text)


def _drawn(text: str) -> bytes:
    import segno  # seldom wanted, so that most servers do without

    drawn = BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", scale=5, dark="#000", light="#fff")
    return drawn.getvalue()


def _recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _hash(code: str) -> str:
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return sha256(plain.encode(errors="surrogateescape")).hexdigest()


def _encoded(hashes: Iterable[str]) -> bytes:
    return msgspec.json.encode(list(hashes))
