"""API keys: random, kept as hashes, looked up in memory."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.auth.limits import UNLIMITED, Limits, checked
from sora2api.errors import InvalidValue, KeyExpired, NotFound
from sora2api.store import tables
from sora2api.store.database import Database, bump

PREFIX: Final = "sk-"
OVERLAP: Final = 24 * 3600.0
"""How long a rotated key's old secret still holds, in seconds."""
_BYTES: Final = 32
_LONGEST_NAME: Final = 100


class ApiKey(msgspec.Struct, frozen=True):
    """A key without its secret; `hint` is the secret's last four characters, times are seconds since the epoch."""

    id: str
    name: str
    hint: str
    created_at: float
    expires_at: float | None = None
    old_until: float | None = None
    """How long the secret holds that it had before it was rotated."""
    last_used_at: float | None = None
    """As it was last written down, up to a minute late."""
    limits: Limits = UNLIMITED


def new_secret() -> str:
    """`sk-` and 43 characters that are safe in URLs: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def hash_of(secret: str) -> str:
    """What is stored of a key. It has full entropy, so a plain SHA-256 cannot be searched and needs no salt."""
    # Headers that are not UTF-8 reach us with surrogates.
    return sha256(secret.encode(errors="surrogateescape")).hexdigest()


def hint_of(secret: str) -> str:
    return secret[-4:]


def key_columns(key: ApiKey) -> dict[str, Any]:
    return msgspec.structs.asdict(key) | {"limits": msgspec.json.encode(key.limits)}


class KeyBook:
    """The keys in force. `find` reads memory alone; `load` brings it up to what the database says."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_hash: dict[str, ApiKey] = {}
        self._by_old_hash: dict[str, ApiKey] = {}
        self._used: dict[str, float] = {}
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        keys = tables.keys
        query = select(keys).where(keys.c.revoked_at.is_(None)).order_by(keys.c.created_at, keys.c.id)
        # One at a time, so that an older picture never lands on a newer one.
        async with self._loading, self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            self._by_hash = {row.hash: _key(row) for row in rows}
            self._by_old_hash = {row.old_hash: self._by_hash[row.hash] for row in rows if row.old_hash is not None}

    def find(self, secret: str) -> ApiKey | None:
        """The key whose secret this is. How long it takes tells of the hash only, which nobody can steer.

        Raises `KeyExpired` for one whose time is over.
        """
        hashed = hash_of(secret)
        key = self._by_hash.get(hashed) or self._rotated(hashed)
        if key is not None and key.expires_at is not None and key.expires_at <= time.time():
            raise KeyExpired
        return key

    def _rotated(self, hashed: str) -> ApiKey | None:
        """The key that had this secret before, while that still holds."""
        key = self._by_old_hash.get(hashed)
        return key if key is not None and (key.old_until or 0.0) > time.time() else None

    def used(self, key: ApiKey) -> None:
        """Remember that a key is used now; `note_uses` writes it down."""
        self._used[key.id] = time.time()

    async def note_uses(self) -> None:
        """Write down when the keys were used last that were used since the last time."""
        used, self._used = self._used, {}
        keys = tables.keys

        async def write(connection: AsyncConnection) -> None:
            for key_id, at in used.items():
                await connection.execute(update(keys).where(keys.c.id == key_id).values(last_used_at=at))

        if used:
            await self._database.write(write)

    def list(self) -> tuple[ApiKey, ...]:
        """The keys that were not revoked, oldest first, those that have expired among them."""
        return tuple(self._by_hash.values())

    def get(self, word: str) -> ApiKey:
        """A key by its id, or by its name where only one is called so. Raises `NotFound`."""
        found = [key for key in self.list() if key.id == word] or [key for key in self.list() if key.name == word]
        if len(found) != 1:
            raise NotFound(f"There is no API key {word!r}." if not found else f"Several keys are called {word!r}.")
        return found[0]

    async def create(
        self, name: str, *, expires_at: float | None = None, limits: Limits = UNLIMITED
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which is known only now. What is wrong raises `InvalidValue`."""
        secret = new_secret()
        key = ApiKey(
            id=f"key_{secrets.token_hex(12)}",
            name=_checked(name),
            hint=hint_of(secret),
            created_at=time.time(),
            expires_at=expires_at,
            limits=checked(limits),
        )
        added = insert(tables.keys).values(**key_columns(key), hash=hash_of(secret))

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(added)
            await bump(connection)

        await self._database.write(write)
        await self.load()
        return key, secret

    async def change(self, key: ApiKey) -> ApiKey:
        """Let the key with this one's id have this one's name, expiry and limits."""
        columns = key_columns(msgspec.structs.replace(key, name=_checked(key.name), limits=checked(key.limits)))
        await self._update(key.id, {name: columns[name] for name in ("name", "expires_at", "limits")})
        return self.get(key.id)

    async def rotate(self, key_id: str, *, overlap: float = OVERLAP) -> tuple[ApiKey, str]:
        """A new secret for a key, which stays who it is. The secret until now holds *overlap* seconds more."""
        secret = new_secret()
        await self._update(
            key_id,
            {
                "old_hash": tables.keys.c.hash,
                "old_until": time.time() + overlap,
                "hash": hash_of(secret),
                "hint": hint_of(secret),
            },
        )
        return self.get(key_id), secret

    async def revoke(self, key_id: str) -> None:
        """End a key, with all its secrets. One that is not in force raises `NotFound`."""
        await self._update(key_id, {"revoked_at": time.time()})

    async def _update(self, key_id: str, values: Mapping[str, Any]) -> None:
        keys = tables.keys
        change = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(**values)

        async def write(connection: AsyncConnection) -> None:
            if not (await connection.execute(change)).rowcount:
                raise NotFound(f"There is no API key {key_id!r}.", param="id")
            await bump(connection)

        await self._database.write(write)
        await self.load()


def _key(row: Row[Any]) -> ApiKey:
    limits = msgspec.json.decode(row.limits, type=Limits)
    return ApiKey(
        id=row.id,
        name=row.name,
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        old_until=row.old_until,
        last_used_at=row.last_used_at,
        limits=UNLIMITED if limits == UNLIMITED else limits,  # most are, and `is` is a quick question
    )


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidValue(f"A key's name has 1 to {_LONGEST_NAME} printable characters.", param="name")
    return name
