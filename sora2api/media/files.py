"""Files that clients keep here for later requests to refer to: owned, listed by time, gone when they expire."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Row, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import NotFound
from sora2api.media.store import Arrival, MediaStore, record
from sora2api.store.database import Database
from sora2api.store.keyset import behind
from sora2api.store.tables import assets, files

Purpose = Literal["vision", "user_data"]


class KeptFile(Struct, frozen=True, kw_only=True):
    """A client's file; *asset* is its id in the store, *name* what the client calls it."""

    id: str
    asset: str
    name: str
    purpose: Purpose
    bytes: int
    created_at: float
    expires_at: float


class FileBook:
    """Reads and writes the table of files. Another owner's file, and one that has expired, is `NotFound`."""

    def __init__(self, database: Database, store: MediaStore) -> None:
        self._database = database
        self._store = store

    async def keep(self, arrival: Arrival, *, owner: str, purpose: Purpose, lifetime: float) -> KeptFile:
        """Keep a file that has come in, for *lifetime* seconds."""
        now = time.time()
        file = KeptFile(
            id=f"file-{secrets.token_hex(16)}",
            asset=arrival.media.asset,
            name=arrival.name,
            purpose=purpose,
            bytes=arrival.bytes,
            created_at=now,
            expires_at=now + lifetime,
        )

        async def write(connection: AsyncConnection) -> None:
            await record(connection, arrival, owner=owner, job_id=None, role="file", expires_at=file.expires_at)
            await connection.execute(
                insert(files).values(
                    id=file.id, owner=owner, asset_id=file.asset, name=file.name, purpose=purpose, created_at=now
                )
            )

        with self._store.arriving((arrival,)):
            await self._store.settle(arrival)
            await self._database.write(write)
        return file

    async def get(self, file_id: str, *, owner: str) -> KeptFile:
        async with self._database.reading() as connection:
            row = (await connection.execute(_kept(owner).where(files.c.id == file_id))).one_or_none()
        if row is None:
            raise NotFound(f"There is no file {file_id!r} here.")
        return _file(row)

    async def page(
        self, *, owner: str, purpose: str | None, after: str | None, limit: int, ascending: bool
    ) -> tuple[Sequence[KeptFile], bool]:
        """At most *limit* files behind the file *after*, and whether there are more."""
        wanted = _kept(owner)
        if purpose is not None:
            wanted = wanted.where(files.c.purpose == purpose)
        last = None if after is None else await self.get(after, owner=owner)
        wanted = behind(wanted, files, (last.created_at, last.id) if last else None, ascending=ascending)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.limit(limit + 1))).all()
        return [_file(row) for row in rows[:limit]], len(rows) > limit

    async def delete(self, file_id: str, *, owner: str) -> None:
        """Remove a file; jobs that use it have it as an input of their own."""
        file = await self.get(file_id, owner=owner)
        await self._store.remove(assets.c.id == file.asset)


def _kept(owner: str) -> Select[Any]:
    """An owner's files; each row goes with its asset, once that is removed."""
    return (
        select(files, assets.c.bytes, assets.c.expires_at)
        .join(assets, assets.c.id == files.c.asset_id)
        .where(files.c.owner == owner, assets.c.expires_at > time.time())
    )


def _file(row: Row[Any]) -> KeptFile:
    return KeptFile(
        id=row.id,
        asset=row.asset_id,
        name=row.name,
        purpose=row.purpose,
        bytes=row.bytes,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
