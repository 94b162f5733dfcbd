"""The settings that are chosen while the server is there: the table `settings`, a JSON value by name, some sealed."""

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.store.database import Database, bump
from sora2api.store.secrets import Secrets
from sora2api.store.tables import settings

_SEALED: Final = b"null"
"""What stands in place of a value that is sealed."""


async def chosen(database: Database, folder: Path | None = None) -> dict[str, Any]:
    """All that are chosen, by name; the sealed ones too where the data directory is given, whose key opens them."""
    async with database.reading() as connection:
        rows = (await connection.execute(select(settings))).all()
    plain = {row.name: msgspec.json.decode(row.value) for row in rows if row.sealed is None}
    sealed = {row.name: row.sealed for row in rows if row.sealed is not None}
    if folder is None or not sealed:
        return plain
    vault = await asyncio.to_thread(Secrets.open, folder)
    return plain | {name: msgspec.json.decode(vault.unseal(value)) for name, value in sealed.items()}


async def choose(database: Database, name: str, value: Any, *, vault: Secrets | None = None) -> None:
    """Let the setting *name* be *value* from now on, sealed by the *vault*; a running server is told to look."""
    encoded = msgspec.json.encode(value)
    row: dict[str, bytes | None] = {"value": encoded, "sealed": None}
    if vault is not None:
        row = {"value": _SEALED, "sealed": vault.seal(encoded.decode())}
    change = upsert(settings).values(name=name, **row)
    change = change.on_conflict_do_update(index_elements=("name",), set_=row)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(change)
        await bump(connection)

    await database.write(write)


async def unchoose(database: Database, name: str) -> None:
    """Let the setting *name* be again what it is without a choice."""

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(delete(settings).where(settings.c.name == name))
        await bump(connection)

    await database.write(write)
