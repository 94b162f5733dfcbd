"""What an operator does to all jobs at once, from the panel or beside a running server: pause the intake, cancel many.

Both are written down, with the revision bumped; the running server sees it there, and the next start does too.
"""

import time
from collections.abc import Collection
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import InvalidValue
from sora2api.jobs.records import Status
from sora2api.store.chosen import choose, chosen
from sora2api.store.database import Database, bump
from sora2api.store.tables import jobs

UNFINISHED: tuple[Status, ...] = ("queued", "in_progress")


class Selection(Struct, frozen=True, kw_only=True):
    """Unfinished jobs: those that meet all that is given. *created_before* is in seconds since the epoch."""

    ids: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    model: str | None = None
    owner: str | None = None
    created_before: float | None = None

    def condition(self) -> ColumnElement[bool]:
        """As a condition on the table of jobs."""
        conditions: list[Any] = [jobs.c.status.in_(set(self.statuses or UNFINISHED) & set(UNFINISHED))]
        if self.ids:
            conditions.append(jobs.c.id.in_(self.ids))
        if self.model is not None:
            conditions.append(jobs.c.model == self.model)
        if self.owner is not None:
            conditions.append(jobs.c.owner == self.owner)
        if self.created_before is not None:
            conditions.append(jobs.c.created_at < self.created_before)
        return and_(*conditions)


async def order_cancel(database: Database, selection: Selection) -> Collection[str]:
    """Have the jobs of a *selection* cancelled, as if their clients had; their ids."""
    wanted = select(jobs.c.id).where(selection.condition())

    async def write(connection: AsyncConnection) -> Collection[str]:
        ids = (await connection.execute(wanted)).scalars().all()
        await connection.execute(update(jobs).where(selection.condition()).values(cancel_at=time.time()))
        await bump(connection)
        return ids

    return await database.write(write)


async def due_cancels(database: Database) -> Collection[str]:
    """The unfinished jobs whose time to be cancelled has come."""
    due = jobs.c.status.in_(UNFINISHED) & (jobs.c.cancel_at <= time.time())
    async with database.reading() as connection:
        return (await connection.execute(select(jobs.c.id).where(due))).scalars().all()


async def pause(database: Database, *, on: bool) -> None:
    """Take no new jobs from now on, or take them again: the setting `paused`, in the database."""
    await choose(database, "paused", on)


class Gate:
    """Whether new jobs are let in. *pinned*: `paused` comes from above the database, which then changes nothing."""

    def __init__(self, database: Database, *, paused: bool, pinned: bool) -> None:
        self.paused = paused
        self._database = database
        self._otherwise = paused
        self._pinned = pinned

    async def pause(self, *, on: bool) -> None:
        """Let in no new jobs from now on, or let them in again. Raises `InvalidValue` where that is pinned."""
        if self._pinned:
            raise InvalidValue("`paused` was given at the server's start, and holds while it runs.", param="paused")
        await pause(self._database, on=on)
        await self.look()

    async def look(self) -> None:
        """Heed what the database says now."""
        if not self._pinned:
            self.paused = bool((await chosen(self._database)).get("paused", self._otherwise))
