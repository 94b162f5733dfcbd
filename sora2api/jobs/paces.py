"""How jobs went, by the hour: how many ended and how, what they made, and how long they waited and were worked.

Lengths of time are counted in steps, each a half longer than the one before, so that quantiles of any number of jobs
are told from few rows.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.jobs.records import JobRecord
from sora2api.jobs.usage import made
from sora2api.store.database import Database
from sora2api.store.tables import paces

HOUR: Final = 3600
NEVER: Final = -1
"""The step of what did not come about."""
_COUNTS: Final = ("jobs", "seconds", "cost")
_FIRST: Final = 0.1
_RATIO: Final = 1.5


class Quantiles(Struct, frozen=True, kw_only=True):
    """Of lengths of time, in seconds, the one that half of them keep within, and the one that 95 of 100 do."""

    p50: float | None
    p95: float | None


class Span(Struct, frozen=True, kw_only=True):
    """The jobs that ended from *begins* on, for some hours. *seconds* are of video, costs in millionths, by model.

    *modes* counts jobs by mode, *failures* those that were not completed by code.
    """

    begins: float
    modes: Mapping[str, int]
    failures: Mapping[str, int]
    seconds: Mapping[str, float]
    cost: Mapping[str, int]
    waiting: Quantiles
    making: Quantiles


def step(seconds: float | None) -> int:
    """The step that a length of time falls into."""
    if seconds is None:
        return NEVER
    return 0 if seconds < _FIRST else 1 + math.floor(math.log(seconds / _FIRST, _RATIO))


async def note(connection: AsyncConnection, job: JobRecord, *, at: float) -> None:
    """Count a job that ended *at*, within the transaction that ends it."""
    use = made(job)
    begun = job.started_at
    row = upsert(paces).values(
        hour=int(at // HOUR),
        mode=job.mode,
        model=job.model,
        code="" if job.error is None else job.error.code,
        waited=step(None if begun is None else begun - job.created_at),
        made=step(None if begun is None else at - begun),
        jobs=1,
        seconds=use.seconds,
        cost=use.cost,
    )
    sums = {count: paces.c[count] + row.excluded[count] for count in _COUNTS}
    await connection.execute(row.on_conflict_do_update(index_elements=paces.primary_key.columns, set_=sums))


class Paces:
    """Reads what was counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, spans: int, *, hours: int) -> Sequence[Span]:
        """The last *spans*, each so many *hours* long, the oldest first; the newest is the one that is not over."""
        newest = int(time.time() // HOUR) // hours
        of = (paces.c.hour / hours).cast(paces.c.hour.type) if hours > 1 else paces.c.hour
        oldest = newest - spans + 1
        async with self._database.reading() as connection:
            by_mode = await _grouped(connection, of, oldest * hours, paces.c.mode, paces.c.code)
            by_model = await _grouped(connection, of, oldest * hours, paces.c.model, completed=True)
            waited = await _grouped(connection, of, oldest * hours, paces.c.waited)
            worked = await _grouped(connection, of, oldest * hours, paces.c.made, completed=True)
        return [
            Span(
                begins=float(each * hours * HOUR),
                modes=_sums((row.mode, row.jobs) for row in by_mode.get(each, ())),
                failures=_sums((row.code, row.jobs) for row in by_mode.get(each, ()) if row.code),
                seconds={row.model: row.seconds for row in by_model.get(each, ()) if row.seconds},
                cost={row.model: row.cost for row in by_model.get(each, ()) if row.cost},
                waiting=_quantiles({row.waited: row.jobs for row in waited.get(each, ())}),
                making=_quantiles({row.made: row.jobs for row in worked.get(each, ())}),
            )
            for each in range(oldest, newest + 1)
        ]


async def _grouped(
    connection: AsyncConnection, of: ColumnElement[Any], since: int, *by: ColumnElement[Any], completed: bool = False
) -> Mapping[int, Sequence[Any]]:
    """What was counted from the hour *since* on, by span and whatever else."""
    sums = [func.sum(paces.c[count]).label(count) for count in _COUNTS]
    wanted: Select[Any] = select(of.label("of"), *by, *sums).where(paces.c.hour >= since).group_by(of, *by)
    if completed:
        wanted = wanted.where(paces.c.code == "")
    found: dict[int, list[Any]] = {}
    for row in await connection.execute(wanted):
        found.setdefault(row.of, []).append(row)
    return found


def _sums(pairs: Any) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for name, jobs in pairs:
        sums[name] = sums.get(name, 0) + jobs
    return sums


def _quantiles(steps: Mapping[int, int]) -> Quantiles:
    known = sorted((length, jobs) for length, jobs in steps.items() if length != NEVER)
    return Quantiles(p50=_quantile(known, 0.5), p95=_quantile(known, 0.95))


def _quantile(steps: Sequence[tuple[int, int]], share: float) -> float | None:
    """The length that a *share* of the jobs keeps within, as if those of a step were evenly spread over it."""
    left = share * sum(jobs for _, jobs in steps)
    for length, jobs in steps:
        if left <= jobs:
            lower, upper = (0.0 if length == 0 else _FIRST * _RATIO ** (length - 1)), _FIRST * _RATIO**length
            return lower + (upper - lower) * left / jobs
        left -= jobs
    return None
