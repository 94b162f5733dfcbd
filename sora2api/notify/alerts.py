"""Alerts: telling an operator, in the log and by a webhook, what has gone wrong, once, and that it is over, once."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.notify.deliveries import Deliveries
from sora2api.notify.events import alert
from sora2api.store.database import Database
from sora2api.store.tables import alerts

log = logging.getLogger(__name__)

Kind = Literal["account.set_aside", "proxy.down", "disk.low", "queue.full", "engine.none"]
Key = tuple[str, str]

ENDS: Final[dict[str, str]] = {
    "account.set_aside": "account.returned",
    "proxy.down": "proxy.up",
    "disk.low": "disk.ok",
    "queue.full": "queue.ok",
    "engine.none": "engine.back",
}
"""What the end of each kind is called."""

SHORT: Final = 60.0
"""What will be over sooner is not told, unless it has gone on for so long all the same."""
APART: Final = 600.0
"""The least time between two beginnings that are told of the same kind and subject."""
EVERY: Final = 2.0
_MOST_LISTED: Final = 100


class Trouble(Struct, frozen=True, kw_only=True):
    """Something that is not as it should be. Times are seconds since the epoch.

    *since* None: since it was noticed; *until* is when it will be over by itself, where that is known. It is told when
    it has gone on for *patience* seconds.
    """

    kind: Kind
    subject: str
    reason: str
    since: float | None = None
    until: float | None = None
    patience: float = 0.0


class Told(Struct, frozen=True, kw_only=True):
    """What was told last of a kind and subject; *ended_at* None: it is not over."""

    kind: str
    subject: str
    reason: str
    since: float
    told_at: float
    ended_at: float | None = None


async def told(database: Database) -> Sequence[Told]:
    """What is not over, and after it what was told last, at most a hundred."""
    order = (alerts.c.ended_at.is_not(None), alerts.c.told_at.desc())
    async with database.reading() as connection:
        rows = (await connection.execute(select(alerts).order_by(*order).limit(_MOST_LISTED))).mappings().all()
    return [Told(**row) for row in rows]


class Alerts:
    """Compares the troubles that there are with what was told. `load` first.

    What was told is kept, in one transaction with its delivery, so that a restart tells nothing twice. *url* empty: the
    log alone is told.
    """

    def __init__(
        self, database: Database, deliveries: Deliveries, *, url: str, short: float = SHORT, apart: float = APART
    ) -> None:
        self._database = database
        self._deliveries = deliveries
        self._url = url
        self._short = short
        self._apart = apart
        self._told: dict[Key, Told] = {}
        self._noticed: dict[Key, float] = {}

    async def load(self) -> None:
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(alerts))).mappings().all()
        self._told = {(row["kind"], row["subject"]): Told(**row) for row in rows}

    async def watch(self, troubles: Callable[[], Iterable[Trouble]]) -> None:
        """Look at the *troubles* every few seconds. Ends when cancelled."""
        while True:
            await self.look(troubles())
            await asyncio.sleep(EVERY)

    async def look(self, troubles: Iterable[Trouble]) -> None:
        """Tell what has begun and what is over, by the *troubles* that there are now."""
        now, clock = time.time(), time.monotonic()
        there: dict[Key, Trouble] = {(trouble.kind, trouble.subject): trouble for trouble in troubles}
        self._noticed = {key: self._noticed.get(key, clock) for key in there}
        begun = [
            _begun(trouble, now)
            for key, trouble in there.items()
            if self._is_due(trouble, now=now, lasted=clock - self._noticed[key]) and not self._lately(key, now)
        ]
        over = [
            msgspec.structs.replace(told, ended_at=now)
            for key, told in self._told.items()
            if told.ended_at is None and key not in there
        ]
        if begun or over:
            said = [(told.kind, _data(told, until=there[told.kind, told.subject].until)) for told in begun]
            said += [(ENDS[told.kind], _data(told)) for told in over]
            await self._tell([*begun, *over], said)

    def _is_due(self, trouble: Trouble, *, now: float, lasted: float) -> bool:
        short = trouble.until is not None and trouble.until - now + lasted < self._short
        return lasted >= (self._short if short else trouble.patience)

    def _lately(self, key: Key, now: float) -> bool:
        """Whether it was told and is not over, or was told a short time ago."""
        told = self._told.get(key)
        return told is not None and (told.ended_at is None or 0 <= now - told.told_at < self._apart)

    async def _tell(self, changed: Sequence[Told], said: Sequence[tuple[str, dict[str, Any]]]) -> None:
        events = [alert(event_type, data) for event_type, data in said] if self._url else []

        async def write(connection: AsyncConnection) -> None:
            for told in changed:
                same = (alerts.c.kind == told.kind) & (alerts.c.subject == told.subject)
                await connection.execute(delete(alerts).where(same))
            await connection.execute(insert(alerts), [msgspec.structs.asdict(told) for told in changed])
            await self._deliveries.put_alerts(connection, events, url=self._url)

        await self._database.write(write)
        self._told |= {(told.kind, told.subject): told for told in changed}
        for event_type, data in said:
            log.warning(event_type, extra=data)
        if events:
            self._deliveries.news.set()


def _begun(trouble: Trouble, now: float) -> Told:
    since = now if trouble.since is None else trouble.since
    return Told(kind=trouble.kind, subject=trouble.subject, reason=trouble.reason, since=since, told_at=now)


def _data(told: Told, *, until: float | None = None) -> dict[str, Any]:
    """What is told of it; times in whole seconds, as all of the API's."""
    data: dict[str, Any] = {"subject": told.subject, "reason": told.reason, "since": int(told.since)}
    if told.ended_at is not None:
        return data | {"ended_at": int(told.ended_at)}
    return data if until is None else data | {"until": int(until)}
