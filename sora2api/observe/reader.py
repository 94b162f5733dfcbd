"""Reading the log of requests: pages that cost the same however long the log is, single requests, and all of it."""

import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Self

import orjson
from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, RowMapping, Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import NotFound
from sora2api.store import keyset
from sora2api.store.database import Database
from sora2api.store.keyset import behind, look_through
from sora2api.store.tables import accounts, calls, request_bodies, requests

Cursor = keyset.Cursor
LEADING: Final = ("job_id", "key_id", "code", "account", "mode", "model", "status")
"""The columns whose indexes are in the order of time, the most telling first: one of them leads."""
_EXPORTED: Final = 1000
_MOST_CALLS: Final = 1000


class Filters(Struct, frozen=True, kw_only=True):
    """Which requests are wanted; all of what is given must hold. Times in seconds since the epoch.

    *path* is what the path begins with, *text* some words of the prompt, whatever their case.
    """

    key_id: str | None = None
    status: int | None = None
    code: str | None = None
    mode: str | None = None
    model: str | None = None
    account: str | None = None
    job_id: str | None = None
    path: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None


class LoggedRequest(Struct, frozen=True, kw_only=True):
    """A request. *at* in seconds since the epoch; *replied* and all behind it in seconds after that, sizes in bytes.

    *replied*: the reply was complete (None: it never was); *queued*, *submitted*, *progressed*, *made*, *stored*: the
    stages of the job that it made. *code* is that of the error replied, or of the job's.
    """

    id: str
    at: float
    key_id: str | None
    address: str | None
    method: str
    path: str
    status: int | None
    code: str | None
    bytes_in: int | None
    bytes_out: int | None
    replied: float | None
    job_id: str | None
    mode: str | None
    model: str | None
    account: str | None
    proxy: str | None
    prompt: str | None
    queued: float | None
    submitted: float | None
    progressed: float | None
    made: float | None
    stored: float | None

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """The request of a row of the table, which may have more in it."""
        return cls(**{name: row[name] for name in cls.__struct_fields__})


class MadeCall(Struct, frozen=True, kw_only=True):
    """A call to an engine. *took* in seconds."""

    at: float
    job_id: str | None
    account: str
    proxy: str | None
    method: str
    url: str
    status: int | None
    code: str | None
    took: float
    bytes_sent: int | None
    bytes_received: int | None


class Whole(Struct, frozen=True, kw_only=True):
    """A request with its bodies, as far as they are kept, and the calls made for it."""

    entry: LoggedRequest
    request: Any
    reply: Any
    calls: Sequence[MadeCall]


class Page(Struct, frozen=True):
    """Some requests, the newest first. *last* is where the next page begins; None: there is none."""

    entries: Sequence[LoggedRequest]
    last: Cursor | None


class LogReader:
    """Reads the log, while it is written or not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, filters: Filters, *, after: Cursor | None = None, limit: int = 100) -> Page:
        """At most *limit* requests behind *after*. It may have fewer, or none, and yet not be the last."""
        async with self._database.reading() as connection:
            rows, edge = await _found(connection, filters, after, limit=limit + 1)
        entries = [LoggedRequest.of(row) for row in rows[:limit]]
        return Page(entries, (entries[-1].at, entries[-1].id) if len(rows) > limit else edge)

    async def all(self, filters: Filters) -> AsyncIterator[LoggedRequest]:
        """All requests that are wanted, never many at a time in memory."""
        last: Cursor | None = None
        while True:
            page = await self.page(filters, after=last, limit=_EXPORTED)
            for entry in page.entries:
                yield entry
            last = page.last
            if last is None:
                return

    async def get(self, request_id: str) -> Whole:
        async with self._database.reading() as connection:
            wanted = select(requests).where(requests.c.id == request_id)
            row = (await connection.execute(wanted)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"There is no request {request_id!r} in the log.")
            kept = select(request_bodies).where(request_bodies.c.request_id == request_id)
            bodies = (await connection.execute(kept)).one_or_none()
            made = await connection.execute(made_calls(calls.c.request_id == request_id))
            return Whole(
                entry=LoggedRequest.of(row),
                request=_body(bodies.request) if bodies else None,
                reply=_body(bodies.reply) if bodies else None,
                calls=[MadeCall(**call) for call in made.mappings()],
            )


def made_calls(condition: ColumnElement[bool]) -> Select[Any]:
    """The calls that meet a condition, the first ones first, as `MadeCall` has them."""
    columns = [calls.c[name] for name in MadeCall.__struct_fields__ if name != "account"]
    joined = calls.outerjoin(accounts, accounts.c.id == calls.c.account_id)
    name = (accounts.c.name).label("name")
    wanted = select(*columns, calls.c.account_id, name).select_from(joined).where(condition).subquery()
    shown = [wanted.c[column.name] for column in columns]
    account = text("coalesce(name, account_id) AS account")
    return select(*shown, account).select_from(wanted).order_by(wanted.c.at).limit(_MOST_CALLS)


def _led(filters: Filters) -> tuple[str | None, Sequence[str]]:
    """The filter that an index answers, and those by which its rows must be looked through."""
    given = [name for name in LEADING if getattr(filters, name) is not None]
    others = [name for name in ("path", "text") if getattr(filters, name) is not None]
    return (given[0] if given else None), [*given[1:], *others]


async def _found(
    connection: AsyncConnection, filters: Filters, after: Cursor | None, *, limit: int
) -> tuple[Sequence[RowMapping], Cursor | None]:
    """The requests that are wanted; where they had to be looked through, the last looked at that is not the last."""
    lead, others = _led(filters)
    wanted = _indexed(filters, lead)
    if not others:
        ahead = behind(wanted, requests, after, ascending=False, moment="at").limit(limit)
        return (await connection.execute(ahead)).mappings().all(), None

    def meets(some: FromClause) -> Sequence[ColumnElement[bool]]:
        return [_meets(some, name, getattr(filters, name)) for name in others]

    found, edge = await look_through(
        connection, wanted, requests, after, meets=meets, ascending=False, limit=limit, moment="at"
    )
    return [row._mapping for row in found], edge  # noqa: SLF001 - public, by that name


def _indexed(filters: Filters, lead: str | None) -> Select[Any]:
    """Requests by an index that has them in the order of time."""
    wanted = select(requests)
    if lead is not None:
        wanted = wanted.where(requests.c[lead] == getattr(filters, lead))
    if lead == "status" and filters.status != 200:
        wanted = wanted.where(text("status <> 200"))  # in the words of the index, which is known by them
    if filters.since is not None:
        wanted = wanted.where(requests.c.at >= filters.since)
    if filters.until is not None:
        wanted = wanted.where(requests.c.at < filters.until)
    return wanted


def _meets(some: FromClause, name: str, value: str | int) -> ColumnElement[bool]:
    if name == "text":
        return some.c.prompt.contains(str(value), autoescape=True)
    column: ColumnElement[Any] = some.c[name]
    if name == "path":
        return column.startswith(value, autoescape=True)
    return column == value


def _body(kept: bytes | None) -> Any:
    return None if kept is None else orjson.loads(zlib.decompress(kept))
