"""The end of the log of requests, as it grows."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, func, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.observe.reader import LEADING, Filters, LoggedRequest
from sora2api.store.database import Database
from sora2api.store.tables import UNSTORED, requests

_AT_ONCE: Final = 1000
_UNFINISHED: Final = 10_000
"""So many requests whose jobs go on are known at most; of more, the oldest are forgotten."""

_WRITTEN: Final[ColumnElement[int]] = literal_column("requests.rowid", Integer)
"""The order in which SQLite was given the rows."""


class Tail:
    """What comes into the log and is wanted by *filters*, from when it is `begun`.

    A request is written when its reply is complete, so the order of its time would not do. Which account made it, and
    what its job failed with, is known only when that has ended: it is told then, if that is what it is wanted for.
    """

    def __init__(self, database: Database, filters: Filters) -> None:
        self._database = database
        self._filters = filters
        self._number, self._id = 0, ""
        """Of the row that was written last."""
        self._newest = ""
        self._unfinished: dict[str, None] = {}

    async def begin(self) -> None:
        """Leave out what is there already."""
        last = select(_WRITTEN, requests.c.id).order_by(_WRITTEN.desc()).limit(1)
        async with self._database.reading() as connection:
            found = (await connection.execute(last)).one_or_none()
            if found is not None:
                self._number, self._id = found
                self._newest = (await connection.execute(select(func.max(requests.c.id)))).scalar_one()
            self._sort(await _entries(connection, select(requests).where(text(UNSTORED))))

    async def more(self) -> Sequence[LoggedRequest]:
        """What has come since the last time, and what became wanted; all of it, where that is not very much."""
        async with self._database.reading() as connection:
            wanted = [entry for entry in await self._ended(connection) if _is_wanted(entry, self._filters)]
            return [*wanted, *self._sort(await self._written(connection))]

    async def _written(self, connection: AsyncConnection) -> Sequence[LoggedRequest]:
        """The next rows, in the order in which they were written.

        Where the row that was the last was removed, its number may have been given anew: then they are those that came
        later than all that was there.
        """
        there = (await connection.execute(select(_WRITTEN).where(requests.c.id == self._id))).scalar()
        behind = self._number < _WRITTEN if there == self._number else requests.c.id > self._newest
        query = select(requests, _WRITTEN.label("number")).where(behind).order_by(_WRITTEN).limit(_AT_ONCE)
        rows = (await connection.execute(query)).mappings().all()
        if rows:
            self._number, self._id = rows[-1]["number"], rows[-1]["id"]
            self._newest = max(self._newest, *(row["id"] for row in rows))
        return [LoggedRequest.of(row) for row in rows]

    async def _ended(self, connection: AsyncConnection) -> Sequence[LoggedRequest]:
        """Those of the unfinished ones whose jobs have ended."""
        there = requests.c.id.in_(self._unfinished)
        ended = await _entries(connection, select(requests).where(there, requests.c.stored.is_not(None)))
        for entry in ended:
            del self._unfinished[entry.id]
        return ended

    def _sort(self, entries: Sequence[LoggedRequest]) -> Sequence[LoggedRequest]:
        """Those that are wanted. Of the others, those whose jobs go on are remembered."""
        wanted = []
        for entry in entries:
            if _is_wanted(entry, self._filters):
                wanted.append(entry)
            elif entry.mode is not None and entry.stored is None:
                self._unfinished[entry.id] = None
        while len(self._unfinished) > _UNFINISHED:
            del self._unfinished[next(iter(self._unfinished))]
        return wanted


async def _entries(connection: AsyncConnection, query: Select[Any]) -> Sequence[LoggedRequest]:
    return [LoggedRequest.of(row) for row in (await connection.execute(query)).mappings()]


def _is_wanted(entry: LoggedRequest, filters: Filters) -> bool:
    if filters.since is not None and entry.at < filters.since:
        return False
    if filters.until is not None and entry.at >= filters.until:
        return False
    given = [name for name in (*LEADING, "path", "text") if getattr(filters, name) is not None]
    return all(_is(entry, name, getattr(filters, name)) for name in given)


def _is(entry: LoggedRequest, name: str, value: str | int) -> bool:
    """What `_meets` says of rows, of an entry that is here already."""
    if name == "text":
        return str(value).lower() in (entry.prompt or "").lower()
    if name == "path":
        return entry.path.startswith(str(value))
    return bool(getattr(entry, name) == value)
