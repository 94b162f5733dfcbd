"""The settings that are chosen while the server is there: the table `settings`, a JSON value by name."""

from typing import Any

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.store.database import Database, bump
from sora2api.store.tables import settings


async def chosen(database: Database) -> dict[str, Any]:
    """All that are chosen, by name."""
    async with database.reading() as connection:
        rows = (await connection.execute(select(settings))).all()
    return {row.name: msgspec.json.decode(row.value) for row in rows}


async def choose(database: Database, name: str, value: Any) -> None:
    """Let the setting *name* be *value* from now on; a running server is told to look."""
    encoded = msgspec.json.encode(value)
    change = upsert(settings).values(name=name, value=encoded)
    change = change.on_conflict_do_update(index_elements=("name",), set_={"value": encoded})

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
