"""What accounts did of late, read from their tasks: how many went well, what failed, and what is under way."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, case, func, or_, select

from sora2api.errors import BadRequest, Cancelled, DeadlineExceeded, PolicyRefusal
from sora2api.store.database import Database
from sora2api.store.tables import accounts, jobs, tasks

_LOOKED_AT: Final = 500
"""So many of an account's last tasks are looked through for those that failed."""
_EXCUSED: Final = frozenset(error.code for error in (BadRequest, Cancelled, DeadlineExceeded, PolicyRefusal))
"""The errors of tasks that are held against nobody's account."""


class Score(Struct, frozen=True, kw_only=True):
    """How the tasks went that ended within the window; *used_at* is when any last ended, in epoch seconds."""

    done: int = 0
    failed: int = 0
    used_at: float | None = None

    @property
    def rate(self) -> float | None:
        """The part that went well, 0 to 1; None where there were no tasks."""
        return self.done / (self.done + self.failed) if self.done + self.failed else None


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
    """Reads the tasks by account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def scores(self, account_ids: Collection[str], *, since: float) -> Mapping[str, Score]:
        """How each of the accounts did *since* then (epoch seconds)."""
        of_account = tasks.c.account_id == accounts.c.id
        last = select(func.max(tasks.c.ended_at)).where(of_account).scalar_subquery()
        error = tasks.c.error
        done = func.sum(case((error.is_(None), 1), else_=0))
        failed = func.sum(case((error.is_(None), 0), (or_(*map(_begins, _EXCUSED)), 0), else_=1))
        counted = (
            select(tasks.c.account_id, done.label("done"), failed.label("failed"))
            .where(tasks.c.account_id.in_(account_ids), tasks.c.ended_at >= since)
            .group_by(tasks.c.account_id)
        )
        used = select(accounts.c.id, last).where(accounts.c.id.in_(account_ids))
        async with self._database.reading() as connection:
            ended = {row.account_id: row for row in await connection.execute(counted)}
            rows = (await connection.execute(used)).all()
        scores = {}
        for account_id, used_at in rows:
            row = ended.get(account_id)
            done_failed = {} if row is None else {"done": row.done, "failed": row.failed}
            scores[account_id] = Score(**done_failed, used_at=used_at)
        return scores

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


def _begins(code: str) -> ColumnElement[bool]:
    """Whether a task's error, as it was written down, is of this *code*."""
    start = f'{{"code":"{code}"'.encode()
    return func.substr(tasks.c.error, 1, len(start)) == start


def _mishap(at: float, job_id: str, error: Mapping[str, Any]) -> Mishap:
    code = str(error.get("code"))
    return Mishap(at=at, job_id=job_id, code=code, message=str(error.get("message")), excused=code in _EXCUSED)
