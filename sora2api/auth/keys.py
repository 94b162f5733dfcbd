"""API keys: random, kept as hashes, looked up in memory."""

import asyncio
import secrets
import time
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import InvalidValue, NotFound
from sora2api.store import tables
from sora2api.store.database import Database, bump

PREFIX: Final = "sk-"
_BYTES: Final = 32
_LONGEST_NAME: Final = 100


class ApiKey(msgspec.Struct, frozen=True):
    """A key without its secret; `hint` is the secret's last four characters, `created_at` seconds since the epoch."""

    id: str
    name: str
    hint: str
    created_at: float


def new_secret() -> str:
    """`sk-` and 43 characters that are safe in URLs: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def hash_of(secret: str) -> str:
    """What is stored of a key. It has full entropy, so a plain SHA-256 cannot be searched and needs no salt."""
    # Headers that are not UTF-8 reach us with surrogates.
    return sha256(secret.encode(errors="surrogateescape")).hexdigest()


def hint_of(secret: str) -> str:
    return secret[-4:]


class KeyBook:
    """The keys in force. `find` reads memory alone; `load` brings it up to what the database says."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_hash: dict[str, ApiKey] = {}
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        keys = tables.keys
        query = select(keys).where(keys.c.revoked_at.is_(None)).order_by(keys.c.created_at, keys.c.id)
        # One at a time, so that an older picture never lands on a newer one.
        async with self._loading, self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            self._by_hash = {row.hash: ApiKey(row.id, row.name, row.hint, row.created_at) for row in rows}

    def find(self, secret: str) -> ApiKey | None:
        """The key whose secret this is. How long it takes tells of the hash only, which nobody can steer."""
        return self._by_hash.get(hash_of(secret))

    def list(self) -> tuple[ApiKey, ...]:
        """The keys in force, oldest first."""
        return tuple(self._by_hash.values())

    async def create(self, name: str) -> tuple[ApiKey, str]:
        """A new key and its secret, which is known only now. A bad *name* raises `InvalidValue`."""
        secret = new_secret()
        key = ApiKey(f"key_{secrets.token_hex(12)}", _checked(name), hint_of(secret), time.time())
        added = insert(tables.keys).values(**msgspec.structs.asdict(key), hash=hash_of(secret))

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(added)
            await bump(connection)

        await self._database.write(write)
        await self.load()
        return key, secret

    async def revoke(self, key_id: str) -> None:
        """End a key. One that is not in force raises `NotFound`."""
        keys = tables.keys
        ended = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=time.time())

        async def write(connection: AsyncConnection) -> None:
            if not (await connection.execute(ended)).rowcount:
                raise NotFound(f"There is no API key {key_id!r}.", param="id")
            await bump(connection)

        await self._database.write(write)
        await self.load()


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidValue(f"A key's name has 1 to {_LONGEST_NAME} printable characters.", param="name")
    return name
