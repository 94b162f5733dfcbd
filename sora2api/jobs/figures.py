"""How jobs went, by the hour: how many ended and how, what they made, and how long they waited and were worked.

Lengths of time are counted in steps, each a half longer than the one before, so that the quantiles of any number of
jobs are told from few rows.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.jobs.records import JobRecord
from sora2api.jobs.usage import made
from sora2api.store.database import Database
from sora2api.store.tables import figures

Of = Literal["mode", "failure", "model", "waited", "worked"]
"""What is counted: jobs by mode, failures by code, what was made by model, lengths of time by step."""

HOUR: Final = 3600
_FIRST: Final = 0.1
_RATIO: Final = 1.5
_COUNTS: Final = ("jobs", "seconds", "cost")
_ADD: Final = upsert(figures)
_SUM: Final = _ADD.on_conflict_do_update(
    index_elements=figures.primary_key.columns,
    set_={count: figures.c[count] + _ADD.excluded[count] for count in _COUNTS},
)


class Quantiles(Struct, frozen=True, kw_only=True):
    """Of lengths of time, in seconds, the one that half of them keep within, and the one that 95 of 100 do."""

    p50: float | None
    p95: float | None


class Span(Struct, frozen=True, kw_only=True):
    """The jobs that ended from *begins* (epoch seconds) on, for some hours.

    *modes* counts them by mode, *failures* those that were not completed by code; *seconds* of video and *cost* in
    millionths are by model.
    """

    begins: float
    modes: Mapping[str, int]
    failures: Mapping[str, int]
    seconds: Mapping[str, float]
    cost: Mapping[str, int]
    waiting: Quantiles
    making: Quantiles


async def note(connection: AsyncConnection, job: JobRecord, *, at: float) -> None:
    """Count a job that ended *at*, within the transaction that ends it."""
    none = dict.fromkeys(_COUNTS, 0) | {"hour": int(at // HOUR), "jobs": 1}
    await connection.execute(_SUM, [none | row for row in _rows(job, at)])


def _rows(job: JobRecord, at: float) -> Iterator[dict[str, Any]]:
    yield {"of": "mode", "name": job.mode}
    if job.error is not None:
        yield {"of": "failure", "name": job.error.code}
    if job.started_at is not None:
        yield {"of": "waited", "name": str(_step(job.started_at - job.created_at))}
    if job.status == "completed":
        use = made(job)
        yield {"of": "model", "name": job.model, "seconds": use.seconds, "cost": use.cost}
        yield {"of": "worked", "name": str(_step(at - (job.started_at or job.created_at)))}


class Figures:
    """Reads what was counted, and remembers what does not change any more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._over: dict[tuple[int, int], Span] = {}

    async def last(self, spans: int, *, hours: int) -> Sequence[Span]:
        """The last *spans*, each so many *hours* long, the oldest first; the newest is the one that is not over."""
        now = int(time.time() // HOUR)
        newest = now // hours
        wanted = range(newest - spans + 1, newest + 1)
        known = {number: self._over[hours, number] for number in wanted if (hours, number) in self._over}
        first = next(number for number in wanted if number not in known or number == newest)
        found = known | await self._read(range(first, newest + 1), hours=hours)
        over = {(hours, number): found[number] for number in wanted if (number + 1) * hours < now}
        self._over = {key: span for key, span in self._over.items() if key[0] != hours} | over
        return [found[number] for number in wanted]

    async def _read(self, numbers: range, *, hours: int) -> dict[int, Span]:
        number = (figures.c.hour.op("/")(hours)).label("number")
        sums = [func.sum(figures.c[count]).label(count) for count in _COUNTS]
        wanted = select(number, figures.c.of, figures.c.name, *sums).where(figures.c.hour >= numbers.start * hours)
        found: dict[int, dict[Of, list[Any]]] = {each: {} for each in numbers}
        async with self._database.reading() as connection:
            for row in await connection.execute(wanted.group_by(number, figures.c.of, figures.c.name)):
                found.setdefault(row.number, {}).setdefault(row.of, []).append(row)
        return {each: _span(each * hours * HOUR, rows) for each, rows in found.items()}


def _span(begins: int, rows: Mapping[Of, Sequence[Any]]) -> Span:
    return Span(
        begins=float(begins),
        modes={row.name: row.jobs for row in rows.get("mode", ())},
        failures={row.name: row.jobs for row in rows.get("failure", ())},
        seconds={row.name: row.seconds for row in rows.get("model", ()) if row.seconds},
        cost={row.name: row.cost for row in rows.get("model", ()) if row.cost},
        waiting=_quantiles(rows.get("waited", ())),
        making=_quantiles(rows.get("worked", ())),
    )


# Lengths of time.


def _step(seconds: float) -> int:
    """The step that a length of time falls into."""
    return 0 if seconds < _FIRST else 1 + math.floor(math.log(seconds / _FIRST, _RATIO))


def _quantiles(rows: Sequence[Any]) -> Quantiles:
    steps = sorted((int(row.name), row.jobs) for row in rows)
    return Quantiles(p50=_quantile(steps, 0.5), p95=_quantile(steps, 0.95))


def _quantile(steps: Sequence[tuple[int, int]], share: float) -> float | None:
    """The length that a *share* of the jobs keeps within, as if those of a step were evenly spread over it."""
    left = share * sum(jobs for _, jobs in steps)
    for step, jobs in steps:
        if left <= jobs:
            lower, upper = (0.0 if step == 0 else _FIRST * _RATIO ** (step - 1)), _FIRST * _RATIO**step
            return lower + (upper - lower) * left / jobs
        left -= jobs
    return None
