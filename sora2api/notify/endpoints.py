"""Webhook endpoints: where an owner wants to be told of what."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Row, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import InvalidRequest, InvalidValue, NotFound
from sora2api.notify.events import EVENT_TYPES
from sora2api.notify.signing import Signer, hint_of, new_secret
from sora2api.store.database import Database, bump
from sora2api.store.keyset import behind
from sora2api.store.tables import webhook_deliveries as deliveries
from sora2api.store.tables import webhook_endpoints as endpoints

_MOST: Final = 100
_OLD_SECRET_HOLDS: Final = 24 * 3600.0

encode: Final = msgspec.json.encode


class Endpoint(Struct, frozen=True, kw_only=True):
    """An endpoint without its secret, of which *hint* shows the end. *disabled_at*: since when it is told nothing."""

    id: str
    name: str
    url: str
    event_types: tuple[str, ...]
    hint: str
    created_at: float
    updated_at: float
    disabled_at: float | None


class Endpoints:
    """All endpoints. Owners see only their own: another's is `NotFound`."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self.owners: set[str] = set()
        """Who may have endpoints; for others, a job's end need not look."""
        self._database = database
        self._signer = signer

    async def load(self) -> None:
        async with self._database.reading() as connection:
            self.owners.update((await connection.execute(select(endpoints.c.owner).distinct())).scalars())

    async def create(self, *, owner: str, name: str, url: str, event_types: Sequence[str]) -> tuple[Endpoint, str]:
        """A new endpoint and its secret, which is known only now."""
        secret, now = new_secret(), time.time()
        endpoint = Endpoint(
            id=f"we_{secrets.token_hex(16)}",
            name=name,
            url=url,
            event_types=_checked(event_types),
            hint=hint_of(secret),
            created_at=now,
            updated_at=now,
            disabled_at=None,
        )
        values = msgspec.structs.asdict(endpoint) | {"event_types": encode(endpoint.event_types), "owner": owner}
        added = insert(endpoints).values(**values, secret=self._signer.seal(secret))
        counted = select(func.count()).select_from(endpoints).where(endpoints.c.owner == owner)

        async def write(connection: AsyncConnection) -> None:
            if (await connection.execute(counted)).scalar_one() >= _MOST:
                raise InvalidRequest(f"There are {_MOST} webhook endpoints already, and that is the most.")
            await connection.execute(added)
            await bump(connection)

        self.owners.add(owner)
        await self._database.write(write)
        return endpoint, secret

    async def get(self, endpoint_id: str, *, owner: str) -> Endpoint:
        return _endpoint(await self._row(endpoint_id, owner))

    async def page(
        self, *, owner: str, after: str | None, limit: int, ascending: bool
    ) -> tuple[Sequence[Endpoint], bool]:
        """At most *limit* endpoints behind the one *after*, by time, and whether there are more."""
        last = None if after is None else await self.get(after, owner=owner)
        wanted = behind(
            select(endpoints).where(endpoints.c.owner == owner),
            endpoints,
            None if last is None else (last.created_at, last.id),
            ascending=ascending,
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.limit(limit + 1))).all()
        return [_endpoint(row) for row in rows[:limit]], len(rows) > limit

    async def of_all(self, *, after: str | None, limit: int) -> tuple[Sequence[tuple[str, Endpoint]], bool]:
        """At most *limit* endpoints, each with its owner, behind the one *after*; and whether there are more."""
        order = (endpoints.c.owner, endpoints.c.created_at, endpoints.c.id)
        wanted = select(endpoints).order_by(*order).limit(limit + 1)
        if after is not None:
            last = await self._row_of_any(after)
            wanted = wanted.where(tuple_(*order) > (last.owner, last.created_at, last.id))
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).all()
        return [(row.owner, _endpoint(row)) for row in rows[:limit]], len(rows) > limit

    async def of_any(self, endpoint_id: str) -> tuple[str, Endpoint]:
        """An endpoint of anybody, with its owner."""
        row = await self._row_of_any(endpoint_id)
        return row.owner, _endpoint(row)

    async def _row_of_any(self, endpoint_id: str) -> Row[Any]:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(endpoints).where(endpoints.c.id == endpoint_id))).one_or_none()
        if row is None:
            raise _not_found()
        return row

    async def change(
        self,
        endpoint_id: str,
        *,
        owner: str,
        name: str | None = None,
        url: str | None = None,
        event_types: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> Endpoint:
        """Change what is given. Disabling ends what is still to be delivered."""
        old = await self.get(endpoint_id, owner=owner)
        changes: dict[str, Any] = {"name": name, "url": url}
        if event_types is not None:
            changes["event_types"] = _checked(event_types)
        changes = {field: value for field, value in changes.items() if value not in (None, getattr(old, field))}
        if enabled is not None and enabled == (old.disabled_at is not None):
            changes["disabled_at"] = None if enabled else time.time()
        if not changes:
            return old
        changes["updated_at"] = time.time()
        values = changes | ({"event_types": encode(changes["event_types"])} if "event_types" in changes else {})

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(update(endpoints).where(endpoints.c.id == endpoint_id).values(**values))
            if enabled is False:
                await _end_deliveries(connection, endpoint_id)

        await self._database.write(write)
        return msgspec.structs.replace(old, **changes)

    async def rotate(self, endpoint_id: str, *, owner: str, keep_old: bool) -> tuple[Endpoint, str]:
        """Give an endpoint a new secret, which is known only now; the old one may sign beside it for 24 hours."""
        secret, now = new_secret(), time.time()
        values = {
            "secret": self._signer.seal(secret),
            "hint": hint_of(secret),
            "old_secret": endpoints.c.secret if keep_old else None,
            "old_until": now + _OLD_SECRET_HOLDS if keep_old else None,
            "updated_at": now,
        }
        await self.get(endpoint_id, owner=owner)
        changed = update(endpoints).where(endpoints.c.id == endpoint_id).values(**values)
        await self._database.write(lambda connection: connection.execute(changed))
        return await self.get(endpoint_id, owner=owner), secret

    async def remove(self, endpoint_id: str, *, owner: str) -> None:
        """Remove an endpoint, with its deliveries."""
        gone = delete(endpoints).where(endpoints.c.id == endpoint_id, endpoints.c.owner == owner)

        async def write(connection: AsyncConnection) -> None:
            if not (await connection.execute(gone)).rowcount:
                raise _not_found()

        await self._database.write(write)

    async def disable(self, endpoint_id: str) -> None:
        """Tell an endpoint nothing more."""
        changed = update(endpoints).where(endpoints.c.id == endpoint_id, endpoints.c.disabled_at.is_(None))

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(changed.values(disabled_at=time.time()))
            await _end_deliveries(connection, endpoint_id)

        await self._database.write(write)

    async def keys(self, endpoint_id: str, *, owner: str) -> tuple[str, ...]:
        """The secrets that sign what this endpoint is sent."""
        row = await self._row(endpoint_id, owner)
        return self._signer.in_force(row.secret, row.old_secret, row.old_until)

    async def _row(self, endpoint_id: str, owner: str) -> Row[Any]:
        wanted = select(endpoints).where(endpoints.c.id == endpoint_id, endpoints.c.owner == owner)
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise _not_found()
        return row


async def _end_deliveries(connection: AsyncConnection, endpoint_id: str) -> None:
    pending = (deliveries.c.endpoint_id == endpoint_id) & deliveries.c.ended_at.is_(None)
    ended = {"status": "failed", "error": "The endpoint is disabled.", "due_at": None, "ended_at": time.time()}
    await connection.execute(update(deliveries).where(pending).values(**ended))


def _endpoint(row: Row[Any]) -> Endpoint:
    values = {name: getattr(row, name) for name in Endpoint.__struct_fields__}
    return Endpoint(**values | {"event_types": msgspec.json.decode(row.event_types, type=tuple[str, ...])})


def _checked(event_types: Sequence[str]) -> tuple[str, ...]:
    if not event_types:
        raise InvalidValue("An endpoint asks for one event at least.", param="event_types")
    for event_type in event_types:
        if event_type not in EVENT_TYPES:
            raise InvalidValue(f"There is no event {event_type!r} here; {_CHOICES}.", param="event_types")
    return tuple(dict.fromkeys(event_types))


_CHOICES: Final = f"there are {', '.join(EVENT_TYPES)}"


def _not_found() -> NotFound:
    return NotFound("There is no such webhook endpoint here.")
