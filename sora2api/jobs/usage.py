"""What was made, by day, key, account, model and how it ended: counted in the transaction that ends a job."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.jobs.records import JobRecord
from sora2api.jobs.windows import day_of
from sora2api.store.database import Database
from sora2api.store.tables import accounts, assets, jobs, keys, tasks, usage

By = Literal["day", "key", "account", "model"]

_COUNTS: Final = ("jobs", "seconds", "images", "bytes", "cost")
_COLUMNS: Final[Mapping[By, ColumnElement[str]]] = {
    "day": usage.c.day,
    "key": usage.c.key_id,
    "account": usage.c.account_id,
    "model": usage.c.model,
}
_NAMES: Final[Mapping[By, Any]] = {"key": keys, "account": accounts}


class Use(Struct, frozen=True, kw_only=True):
    """Completed jobs and what they made: *seconds* of video, *cost* in millionths of the operator's currency."""

    jobs: int = 0
    seconds: float = 0.0
    images: int = 0
    bytes: int = 0
    cost: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(**{count: getattr(self, count) + getattr(other, count) for count in _COUNTS})

    def __sub__(self, other: "Use") -> "Use":
        return Use(**{count: getattr(self, count) - getattr(other, count) for count in _COUNTS})


class Usage(Struct, frozen=True, kw_only=True):
    """What was made of one day, key, account or model; *name* is what a key or account is called.

    *failures*: how many jobs failed, by code.
    """

    of: str
    name: str | None
    use: Use
    failures: dict[str, int]


def asked(job: JobRecord) -> Use:
    """What a job will make, as far as its request tells."""
    seconds = (job.seconds or 0.0) if job.kind == "video" else 0.0
    images = job.request.n if job.kind == "image" else 0
    return Use(jobs=1, seconds=seconds, images=images, cost=_cost(job, seconds, images))


def made(job: JobRecord) -> Use:
    """What a job that is over has made; bytes are counted where its files are known. Nothing unless it completed."""
    if job.sandbox or job.status != "completed":
        return Use()
    media = job.media()
    seconds = round(sum(one.seconds or 0.0 for one in media if one.kind == "video"), 3)
    images = sum(one.kind == "image" for one in media)
    return Use(jobs=1, seconds=seconds, images=images, cost=_cost(job, seconds, images))


def _cost(job: JobRecord, seconds: float, images: int) -> int:
    return 0 if job.price is None else job.price.of(seconds=seconds, images=images)


async def book(connection: AsyncConnection, job: JobRecord, *, at: float) -> None:
    """Count a job that ended *at*, under the account of its last task."""
    use = made(job)
    last = select(tasks.c.account_id).where(tasks.c.job_id == job.id)
    last = last.order_by(tasks.c.intended_at.desc(), tasks.c.attempt.desc()).limit(1)
    size = select(func.sum(assets.c.bytes)).where(assets.c.id.in_([media.asset for media in job.media()]))
    row = upsert(usage).values(
        key_id=job.owner,
        day=day_of(at),
        account_id=func.coalesce(last.scalar_subquery(), ""),
        model=job.model,
        code="" if job.error is None else job.error.code,
        jobs=1,
        seconds=use.seconds,
        images=use.images,
        bytes=func.coalesce(size.scalar_subquery(), 0) if use.jobs else 0,
        cost=use.cost,
    )
    sums = {count: usage.c[count] + row.excluded[count] for count in _COUNTS}
    await connection.execute(row.on_conflict_do_update(index_elements=usage.primary_key.columns, set_=sums))


class UsageBook:
    """Reads what was counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_key(self, key_id: str, begins: str) -> Use:
        """What a key's jobs made on the days that begin with 2026-03-31 or 2026-03."""
        sums = [func.coalesce(func.sum(usage.c[count]), 0).label(count) for count in _COUNTS]
        wanted = select(*sums).where(usage.c.key_id == key_id, usage.c.code == "", usage.c.day.startswith(begins))
        async with self._database.reading() as connection:
            return Use(**(await connection.execute(wanted)).one()._mapping)  # noqa: SLF001 - public, by that name

    async def in_flight(self, key_id: str) -> int:
        """How many jobs of a key are not over.

        The unfinished jobs of all are counted: by its owner, SQLite would go through all jobs that a key ever had.
        """
        wanted = select(jobs.c.owner).where(jobs.c.status.in_(("queued", "in_progress")))
        async with self._database.reading() as connection:
            return (await connection.execute(wanted)).scalars().all().count(key_id)

    async def by_key_and_day(self, *, since: str) -> Sequence[tuple[str, str, Use]]:
        """Key, day, and what was made, from the day *since* on."""
        sums = [func.sum(usage.c[count]).label(count) for count in _COUNTS]
        wanted = select(usage.c.key_id, usage.c.day, *sums).where(usage.c.day >= since, usage.c.code == "")
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.group_by(usage.c.key_id, usage.c.day))).all()
        return [(row.key_id, row.day, Use(**{count: getattr(row, count) for count in _COUNTS})) for row in rows]

    async def summed(self, by: By, *, since: str = "", until: str = "9999") -> Sequence[Usage]:
        """What was made from the day *since* to the day *until*, both included, summed *by* one thing."""
        of = _COLUMNS[by]
        sums = [func.sum(usage.c[count]).label(count) for count in _COUNTS]
        wanted = select(of.label("of"), usage.c.code, *sums).where(usage.c.day >= since, usage.c.day <= until)
        uses: dict[str, Use] = {}
        failures: dict[str, dict[str, int]] = {}
        async with self._database.reading() as connection:
            for row in await connection.execute(wanted.group_by(of, usage.c.code).order_by(of, usage.c.code)):
                counted = Use(**{count: getattr(row, count) for count in _COUNTS})
                uses[row.of] = uses.get(row.of, Use()) + (Use() if row.code else counted)
                failed = failures.setdefault(row.of, {})
                if row.code:
                    failed[row.code] = row.jobs
            names = await _names(connection, by)
        return [Usage(of=one, name=names.get(one), use=use, failures=failures[one]) for one, use in uses.items()]


async def _names(connection: AsyncConnection, by: By) -> dict[str, str]:
    """What keys or accounts are called, those too that are no more."""
    table = _NAMES.get(by)
    if table is None:
        return {}
    return {row.id: row.name for row in await connection.execute(select(table.c.id, table.c.name))}
