"""What accounts did of late, read from their tasks: how many went well, what failed, and what is under way."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Integer, Select, bindparam, case, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import BadRequest, Cancelled, DeadlineExceeded, PolicyRefusal
from sora2api.store.database import Database
from sora2api.store.tables import accounts, jobs, tasks

HOUR: Final = 3600.0
HOURS: Final = 24
"""Scores tell of so many hours, and of the one that is not over."""
_SETTLED: Final = 30.0
"""So many seconds after a task's end, that is written down."""
_LOOKED_AT: Final = 500
"""So many of an account's last tasks are looked through for those that failed."""
_EXCUSED: Final = frozenset(error.code for error in (BadRequest, Cancelled, DeadlineExceeded, PolicyRefusal))
"""The errors of tasks that are held against nobody's account."""


class Score(Struct, frozen=True, kw_only=True):
    """How the tasks of the last hours went; *used_at* is when any last ended, in epoch seconds."""

    done: int = 0
    failed: int = 0
    used_at: float | None = None

    @property
    def rate(self) -> float | None:
        """The part that went well, 0 to 1; None where there were no tasks."""
        return self.done / (self.done + self.failed) if self.done + self.failed else None

    def and_then(self, later: "Score") -> "Score":
        used_at = later.used_at if self.used_at is None else max(self.used_at, later.used_at or 0.0)
        return Score(done=self.done + later.done, failed=self.failed + later.failed, used_at=used_at)

    def without(self, part: "Score") -> "Score":
        return Score(done=self.done - part.done, failed=self.failed - part.failed, used_at=self.used_at)


_NOTHING: Final = Score()


class Mishap(Struct, frozen=True, kw_only=True):
    """A task that failed, *at* in epoch seconds. *excused*: it was not the account's fault."""

    at: float
    job_id: str
    code: str
    message: str
    excused: bool


class Doing(Struct, frozen=True, kw_only=True):
    """A task under way. *since* in epoch seconds; *taken*: the engine has it."""

    job_id: str
    make: str
    model: str
    since: float
    taken: bool
    prompt: str


class Doings:
    """Reads the tasks by account. How they went is read once, and kept: each time only what has ended since is read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = asyncio.Lock()
        self._kept: dict[str, Score] = {}
        self._hours: dict[int, dict[str, Score]] = {}
        """What `_kept` has of each hour, so that it goes with it."""
        self._read_to: float | None = None

    async def scores(self) -> Mapping[str, Score]:
        """How each account did that ever did something."""
        now = time.time()
        async with self._reading, self._database.reading() as connection:
            if self._read_to is None:
                self._kept = await _last_used(connection)
            first = (now // HOUR - HOURS) * HOUR
            settled = now - _SETTLED
            for hour, account_id, score in await _ended(connection, self._read_to or first, settled):
                of_hour = self._hours.setdefault(hour, {})
                of_hour[account_id] = of_hour.get(account_id, _NOTHING).and_then(score)
                self._kept[account_id] = self._kept.get(account_id, _NOTHING).and_then(score)
            self._read_to = settled
            self._let_go(before=int(first // HOUR))
            scores = dict(self._kept)
            for _, account_id, score in await _ended(connection, settled, now + _SETTLED):
                scores[account_id] = scores.get(account_id, _NOTHING).and_then(score)
        return scores

    def _let_go(self, *, before: int) -> None:
        for hour in [hour for hour in self._hours if hour < before]:
            for account_id, score in self._hours.pop(hour).items():
                self._kept[account_id] = self._kept[account_id].without(score)

    async def mishaps(self, account_id: str, *, limit: int = 10) -> Sequence[Mishap]:
        """The last of its tasks that failed, the newest first."""
        ended = select(tasks.c.ended_at, tasks.c.job_id, tasks.c.error).where(
            tasks.c.account_id == account_id, tasks.c.ended_at.is_not(None)
        )
        some = ended.order_by(tasks.c.ended_at.desc()).limit(_LOOKED_AT).subquery()
        wanted = select(some).where(some.c.error.is_not(None)).order_by(some.c.ended_at.desc()).limit(limit)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).all()
        return [_mishap(row.ended_at, row.job_id, msgspec.json.decode(row.error)) for row in rows]

    async def now(self, account_id: str, *, limit: int = 50) -> Sequence[Doing]:
        """Its tasks that have not ended, the oldest first."""
        wanted = (
            select(tasks.c.job_id, tasks.c.make, tasks.c.model, tasks.c.intended_at, tasks.c.engine_task, jobs.c.prompt)
            .select_from(tasks.outerjoin(jobs, jobs.c.id == tasks.c.job_id))
            .where(tasks.c.account_id == account_id, tasks.c.ended_at.is_(None))
            .order_by(tasks.c.intended_at)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).all()
        return [
            Doing(
                job_id=row.job_id,
                make=row.make,
                model=row.model,
                since=row.intended_at,
                taken=row.engine_task is not None,
                prompt=row.prompt or "",
            )
            for row in rows
        ]


async def _last_used(connection: AsyncConnection) -> dict[str, Score]:
    """When a task of each account last ended."""
    last = select(func.max(tasks.c.ended_at)).where(tasks.c.account_id == accounts.c.id).scalar_subquery()
    rows = (await connection.execute(select(accounts.c.id, last.label("used_at")))).all()
    return {row.id: Score(used_at=row.used_at) for row in rows if row.used_at is not None}


async def _ended(connection: AsyncConnection, since: float, until: float) -> Sequence[tuple[int, str, Score]]:
    """How the tasks went that ended from *since* until *until*, by hour and account."""
    return [
        (row.hour, row.account_id, Score(done=row.done, failed=row.failed, used_at=row.used_at))
        for row in await connection.execute(_outcomes(), {"since": since, "until": until})
    ]


@cache
def _outcomes() -> Select[tuple[int, str, int, int, float]]:
    hour = cast(tasks.c.ended_at / HOUR, Integer).label("hour")
    error = tasks.c.error
    done = func.sum(case((error.is_(None), 1), else_=0)).label("done")
    failed = func.sum(case((error.is_(None), 0), (or_(*map(_begins, _EXCUSED)), 0), else_=1)).label("failed")
    wanted = select(hour, tasks.c.account_id, done, failed, func.max(tasks.c.ended_at).label("used_at"))
    between = tasks.c.ended_at >= bindparam("since"), tasks.c.ended_at < bindparam("until")
    return wanted.where(*between).group_by(hour, tasks.c.account_id)


def _begins(code: str) -> ColumnElement[bool]:
    """Whether a task's error, as it was written down, is of this *code*."""
    start = f'{{"code":"{code}"'.encode()
    return func.substr(tasks.c.error, 1, len(start)) == start


def _mishap(at: float, job_id: str, error: Mapping[str, Any]) -> Mishap:
    code = str(error.get("code"))
    return Mishap(at=at, job_id=job_id, code=code, message=str(error.get("message")), excused=code in _EXCUSED)
