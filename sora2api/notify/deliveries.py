"""What is to be delivered, and what became of it: a table, so that a restart goes on with it.

A delivery waits in a *lane*, that of its endpoint or, for a `callback_url`, that of the URL's origin. Lanes are served
beside each other, so that what is slow in one holds nothing up in another.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import InvalidRequest, NotFound
from sora2api.notify.endpoints import Endpoints
from sora2api.notify.events import ALERTS, JobEnd, body, names, new_id
from sora2api.store.database import Database
from sora2api.store.keyset import behind
from sora2api.store.tables import webhook_deliveries as deliveries
from sora2api.store.tables import webhook_endpoints as endpoints

_KEPT: Final = 7 * 86400.0
_LONGEST_ERROR: Final = 500
_LONGEST_LANE: Final = 300

Made = TypeVar("Made", bound=Struct)


class Delivery(Struct, frozen=True, kw_only=True):
    """A delivery as its owner sees it. *status_code* and *error* are of the last attempt."""

    id: str
    body: bytes
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    status_code: int | None
    error: str | None
    created_at: float
    due_at: float | None
    ended_at: float | None


class Due(Struct, frozen=True, kw_only=True):
    """A delivery to be made now; the secrets are sealed, and a callback has none of its own."""

    id: str
    owner: str
    endpoint_id: str | None
    url: str
    body: bytes
    attempts: int
    began_at: float
    secret: bytes | None
    old_secret: bytes | None
    old_until: float | None


class Deliveries:
    """Reads and writes the table. *news* is set when something may be due, or due sooner."""

    def __init__(self, database: Database, endpoints: Endpoints) -> None:
        self.news = asyncio.Event()
        self._database = database
        self._endpoints = endpoints

    # What is to be told.

    async def put(self, connection: AsyncConnection, end: JobEnd) -> bool:
        """Within the transaction that ends a job: have all told who asked for it; whether there are any.

        If so, set `news` when the transaction is committed.
        """
        possible = names(end)
        told: dict[str, bytes] = {}
        rows = []
        for endpoint_id, wanted in await self._asking(connection, end.owner):
            event_type = next((name for name in possible if name in wanted), None)
            if event_type is not None:
                event = told.setdefault(event_type, body(event_type, end.job_id))
                rows.append(_row(end.owner, event, endpoint_id=endpoint_id))
        if end.callback_url is not None:
            event = told.setdefault(possible[-1], body(possible[-1], end.job_id))
            rows.append(_row(end.owner, event, url=end.callback_url))
        if rows:
            await connection.execute(insert(deliveries), rows)
        return bool(rows)

    async def put_alerts(self, connection: AsyncConnection, events: Iterable[bytes], *, url: str) -> None:
        """Within a transaction: have the operator told of *events*. Set `news` when it is committed."""
        rows = [_row(ALERTS, event, url=url) for event in events]
        if rows:
            await connection.execute(insert(deliveries), rows)

    async def _asking(self, connection: AsyncConnection, owner: str) -> Sequence[tuple[str, frozenset[str]]]:
        """The endpoints that an owner has, and the events that each asks for."""
        if owner not in self._endpoints.owners:
            return ()
        asking = select(endpoints.c.id, endpoints.c.event_types)
        asking = asking.where(endpoints.c.owner == owner, endpoints.c.disabled_at.is_(None))
        rows = await connection.execute(asking)
        return [(row.id, msgspec.json.decode(row.event_types, type=frozenset[str])) for row in rows]

    # What an owner sees.

    async def page(
        self, endpoint_id: str, *, after: str | None, limit: int, ascending: bool
    ) -> tuple[Sequence[Delivery], bool]:
        """At most *limit* deliveries behind the one *after*, by time, and whether there are more."""
        last = None if after is None else await self.get(after, endpoint_id=endpoint_id)
        wanted = behind(
            select(deliveries).where(deliveries.c.endpoint_id == endpoint_id),
            deliveries,
            None if last is None else (last.created_at, last.id),
            ascending=ascending,
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.limit(limit + 1))).mappings().all()
        return [_made(Delivery, row) for row in rows[:limit]], len(rows) > limit

    async def latest(self, owner: str, *, limit: int) -> Sequence[Delivery]:
        """The newest deliveries of an *owner*, wherever they went."""
        order = (deliveries.c.created_at.desc(), deliveries.c.id.desc())
        wanted = select(deliveries).where(deliveries.c.owner == owner).order_by(*order).limit(limit)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).mappings().all()
        return [_made(Delivery, row) for row in rows]

    async def get(self, delivery_id: str, *, endpoint_id: str) -> Delivery:
        wanted = select(deliveries).where(deliveries.c.id == delivery_id, deliveries.c.endpoint_id == endpoint_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such delivery here.")
        return _made(Delivery, row)

    async def again(self, delivery_id: str, *, endpoint_id: str) -> Delivery:
        """Deliver anew, with all attempts; whoever has had it knows it by its id."""
        now = time.time()
        enabled = select(endpoints.c.id).where(endpoints.c.id == endpoint_id, endpoints.c.disabled_at.is_(None))
        anew = update(deliveries).where(deliveries.c.id == delivery_id, deliveries.c.endpoint_id.in_(enabled))
        values = {"status": "pending", "attempts": 0, "began_at": now, "due_at": now, "ended_at": None}

        async def write(connection: AsyncConnection) -> bool:
            return bool((await connection.execute(anew.values(**values))).rowcount)

        await self.get(delivery_id, endpoint_id=endpoint_id)
        if not await self._database.write(write):
            raise InvalidRequest("The endpoint is disabled, so nothing is sent to it.")
        self.news.set()
        return await self.get(delivery_id, endpoint_id=endpoint_id)

    # What is due.

    async def lanes_due(self, now: float) -> Sequence[str]:
        """The lanes in which something is due."""
        wanted = select(deliveries.c.lane).distinct().where(deliveries.c.due_at <= now)
        async with self._database.reading() as connection:
            return (await connection.execute(wanted)).scalars().all()

    async def next_due(self, now: float) -> float | None:
        """When the next delivery becomes due that is not due *now*."""
        wanted = select(func.min(deliveries.c.due_at)).where(deliveries.c.due_at > now)
        async with self._database.reading() as connection:
            moment: float | None = (await connection.execute(wanted)).scalar_one()
        return moment

    async def due(self, lane: str, *, at_most: int) -> Sequence[Due]:
        """What is due in a lane, the longest waiting first."""
        columns = [deliveries.c[name] for name in ("id", "owner", "endpoint_id", "body", "attempts", "began_at")]
        secret = [endpoints.c[name] for name in ("secret", "old_secret", "old_until")]
        url = deliveries.c.url.label("callback_url"), endpoints.c.url.label("endpoint_url")
        wanted = (
            select(*columns, *secret, *url)
            .outerjoin_from(deliveries, endpoints)
            .where(deliveries.c.lane == lane, deliveries.c.due_at <= time.time())
            .order_by(deliveries.c.due_at)
            .limit(at_most)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).mappings().all()
        return [_made(Due, {**row, "url": row["endpoint_url"] or row["callback_url"]}) for row in rows]

    # What became of it.

    async def delivered(self, due: Due, *, status_code: int) -> None:
        values = {"status": "delivered", "due_at": None, "ended_at": time.time()}
        await self._tried(due, status_code=status_code, error=None, values=values)

    async def failed(self, due: Due, *, status_code: int | None, error: str, again_at: float | None) -> None:
        """An attempt failed; the next is *again_at*, None: there is none."""
        values: dict[str, Any] = {"due_at": again_at}
        if again_at is None:
            values |= {"status": "failed", "ended_at": time.time()}
        await self._tried(due, status_code=status_code, error=error[:_LONGEST_ERROR], values=values)
        self.news.set()

    async def _tried(self, due: Due, *, status_code: int | None, error: str | None, values: Mapping[str, Any]) -> None:
        noted = update(deliveries).where(deliveries.c.id == due.id, deliveries.c.ended_at.is_(None))
        noted = noted.values(attempts=deliveries.c.attempts + 1, status_code=status_code, error=error, **values)
        await self._database.write(lambda connection: connection.execute(noted))

    async def clean_up(self, *, at_most: int = 1000) -> int:
        """Remove deliveries that ended long ago; how many."""
        old = select(deliveries.c.id).where(deliveries.c.ended_at < time.time() - _KEPT).limit(at_most)
        gone = delete(deliveries).where(deliveries.c.id.in_(old))

        async def write(connection: AsyncConnection) -> int:
            return (await connection.execute(gone)).rowcount

        return await self._database.write(write)


def _row(owner: str, event: bytes, *, endpoint_id: str | None = None, url: str | None = None) -> dict[str, Any]:
    now = time.time()
    return {
        "id": new_id(),
        "endpoint_id": endpoint_id,
        "owner": owner,
        "lane": endpoint_id or _origin(url or ""),
        "url": url,
        "body": event,
        "status": "pending",
        "attempts": 0,
        "created_at": now,
        "began_at": now,
        "due_at": now,
    }


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])[:_LONGEST_LANE]


def _made(kind: type[Made], values: Mapping[Any, Any]) -> Made:
    return kind(**{name: values[name] for name in kind.__struct_fields__})
