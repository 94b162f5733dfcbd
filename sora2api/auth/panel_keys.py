"""Keys of the admin API: random, kept as hashes, each with a role."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, update

from sora2api.auth.keys import hash_of, hint_of
from sora2api.auth.users import Role
from sora2api.errors import NotFound, Unauthenticated
from sora2api.store.database import Database
from sora2api.store.tables import panel_keys

_PREFIX: Final = "pk-"
_BYTES: Final = 32
_SEEN_STEP: Final = 60.0


class PanelKey(Struct, frozen=True, kw_only=True):
    """A key without its secret; *hint* is the secret's last four characters."""

    id: str
    name: str
    hint: str
    role: Role
    created_at: float
    last_used_at: float | None = None


class PanelKeys:
    """Reads and writes the table: what asks by it is rare, so nothing is held in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, secret: str) -> PanelKey:
        """The key whose secret this is. Raises `Unauthenticated`."""
        row = await self._one(panel_keys.c.hash == hash_of(secret))
        if row is None:
            raise Unauthenticated("This panel key is not valid here.")
        now = time.time()
        if now - (row.last_used_at or 0.0) > _SEEN_STEP:
            seen = update(panel_keys).where(panel_keys.c.id == row.id).values(last_used_at=now)
            await self._database.write(lambda connection: connection.execute(seen))
        return row

    async def create(self, name: str, role: Role) -> tuple[PanelKey, str]:
        """A new key and its secret, which is known only now."""
        secret = _PREFIX + secrets.token_urlsafe(_BYTES)
        key = PanelKey(
            id=f"pkey_{secrets.token_hex(8)}", name=name, hint=hint_of(secret), role=role, created_at=time.time()
        )
        added = insert(panel_keys).values(**msgspec.structs.asdict(key), hash=hash_of(secret))
        await self._database.write(lambda connection: connection.execute(added))
        return key, secret

    async def list(self) -> Sequence[PanelKey]:
        wanted = select(panel_keys).where(panel_keys.c.revoked_at.is_(None)).order_by(panel_keys.c.created_at)
        async with self._database.reading() as connection:
            return [_key(row) for row in (await connection.execute(wanted)).mappings()]

    async def revoke(self, key_id: str) -> PanelKey:
        key = await self._one(panel_keys.c.id == key_id)
        if key is None:
            raise NotFound(f"There is no panel key {key_id!r}.", param="id")
        ended = update(panel_keys).where(panel_keys.c.id == key_id).values(revoked_at=time.time())
        await self._database.write(lambda connection: connection.execute(ended))
        return key

    async def _one(self, condition: Any) -> PanelKey | None:
        wanted = select(panel_keys).where(condition, panel_keys.c.revoked_at.is_(None))
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).mappings().one_or_none()
        return None if row is None else _key(row)


def _key(row: Any) -> PanelKey:
    return PanelKey(**{name: row[name] for name in PanelKey.__struct_fields__})
