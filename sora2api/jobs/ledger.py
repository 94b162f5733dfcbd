"""What is written down of jobs, so that a restart can go on: jobs, steps, tasks and events."""

import logging
import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Row, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import NotFound
from sora2api.jobs import figures
from sora2api.jobs.once import known, remember
from sora2api.jobs.records import (
    JobKind,
    JobRecord,
    Parameters,
    Status,
    TaskRecord,
    encode,
    job_columns,
    job_end,
    job_from,
    task_columns,
    task_from,
)
from sora2api.jobs.usage import book
from sora2api.media.store import Arrival, record
from sora2api.modes import Event
from sora2api.notify import Deliveries
from sora2api.store.database import Database
from sora2api.store.keyset import behind
from sora2api.store.tables import assets, events, jobs, steps, tasks

log = logging.getLogger(__name__)

_MOMENTS: Final = ("proxy", "submitted_at", "progressed_at", "made_at", "ended_at")
"""Of a task, what becomes known after its intent."""


class Numbered(Struct, frozen=True, kw_only=True):
    """A milestone with its number, or a passing event with the number of the last milestone."""

    number: int
    at: float
    event: Event


class Past(Struct, kw_only=True):
    """An unfinished job with what was written down of it."""

    job: JobRecord
    steps: dict[str, bytes] = {}
    tasks: list[TaskRecord] = []
    events: list[Numbered] = []


class Ledger:
    """Reads and writes the tables of jobs. Each write is on disk when it returns."""

    def __init__(self, database: Database, deliveries: Deliveries) -> None:
        self._database = database
        self._deliveries = deliveries

    # Jobs.

    async def create(
        self, job: JobRecord, arrivals: Collection[Arrival], first: Numbered, *, key: str | None
    ) -> str | None:
        """The job, its inputs and its first event, all or none.

        None is made where the idempotency *key* stands for a job already: then that one's id is returned.
        """

        async def write(connection: AsyncConnection) -> str | None:
            if key is not None:
                there = await known(connection, owner=job.owner, key=key, digest=job.digest)
                if there is not None:
                    return there
            await connection.execute(insert(jobs).values(**job_columns(job)))
            for arrival in arrivals:
                await record(connection, arrival, owner=job.owner, job_id=job.id, role="input")
            await _append(connection, job.id, first)
            if key is not None:
                await remember(connection, owner=job.owner, key=key, digest=job.digest, job_id=job.id)
            return None

        return await self._database.write(write)

    async def start(self, job: JobRecord, event: Numbered) -> None:
        async def write(connection: AsyncConnection) -> None:
            await connection.execute(
                update(jobs).where(jobs.c.id == job.id).values(status=job.status, started_at=job.started_at)
            )
            await _append(connection, job.id, event)

        await self._database.write(write)

    async def end(self, job: JobRecord, event: Numbered, *, inputs_until: float) -> None:
        """The job's end with its event, and, but for a trial, its usage and webhooks; once for all.

        Its inputs expire at *inputs_until*, its outputs with the job.
        """
        changes = job_columns(job)
        names = ("status", "progress", "error", "outputs", "engine", "share_id", "completed_at", "expires_at", "worker")
        outputs = [media.asset for media in job.media()]
        told = job_end(job)

        async def write(connection: AsyncConnection) -> bool:
            end = update(jobs).where(jobs.c.id == job.id, jobs.c.completed_at.is_(None))
            if not (await connection.execute(end.values(**{name: changes[name] for name in names}))).rowcount:
                return False  # a try before this one was heard of as a failure, and was none
            await connection.execute(
                update(assets)
                .where(assets.c.job_id == job.id, assets.c.role == "input")
                .values(expires_at=inputs_until)
            )
            await connection.execute(
                update(assets)
                .where(assets.c.job_id == job.id, assets.c.role == "part")
                .values(expires_at=job.expires_at)
            )
            await connection.execute(
                update(assets).where(assets.c.id.in_(outputs)).values(role="output", expires_at=job.expires_at)
            )
            await _append(connection, job.id, event)
            if job.sandbox:
                return False  # it counts for nobody, and nobody is told
            await book(connection, job, at=job.completed_at or event.at)
            await figures.note(connection, job, at=job.completed_at or event.at)
            return await self._deliveries.put(connection, told)

        if await self._database.write(write):
            self._deliveries.news.set()

    async def progress(self, percents: dict[str, int]) -> None:
        """Note how far jobs are, many at a time; a value that was higher stays."""
        farther = update(jobs).where(jobs.c.id == bindparam("job"), jobs.c.progress < bindparam("percent"))
        farther = farther.values(progress=bindparam("percent"))
        rows = [{"job": job_id, "percent": percent} for job_id, percent in percents.items()]
        await self._database.write(lambda connection: connection.execute(farther, rows))

    async def get(self, job_id: str, *, owner: str | None = None) -> JobRecord:
        """A job by its id. Raises `NotFound`, also when it is another *owner*'s."""
        return await self._one(jobs.c.id == job_id, owner=owner)

    async def shared(self, share_id: str) -> JobRecord:
        return await self._one(jobs.c.share_id == share_id, owner=None)

    async def _one(self, condition: Any, *, owner: str | None) -> JobRecord:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(jobs).where(condition))).one_or_none()
        if row is None or owner not in (None, row.owner):
            raise NotFound("There is no such video here.")
        return job_from(row)

    async def unfinished(self) -> Sequence[Past]:
        """All jobs that are not over, the oldest first, with what was written down of them.

        One that cannot be read is left alone, and said in the log.
        """
        open_ = jobs.c.status.in_(("queued", "in_progress"))
        ids = select(jobs.c.id).where(open_)
        found: dict[str, Past] = {}
        async with self._database.reading() as connection:
            for row in await connection.execute(select(jobs).where(open_).order_by(jobs.c.created_at, jobs.c.id)):
                try:
                    found[row.id] = Past(job=job_from(row))
                except msgspec.ValidationError:
                    log.exception("a job cannot be read", extra={"job": row.id})
            for row in await connection.execute(select(steps).where(steps.c.job_id.in_(ids))):
                if row.job_id in found:
                    found[row.job_id].steps[row.name] = row.result
            for row in await connection.execute(_in_order(tasks.c.job_id.in_(ids))):
                if row.job_id in found:
                    found[row.job_id].tasks.append(task_from(row))
            for row in await connection.execute(
                select(events).where(events.c.job_id.in_(ids)).order_by(events.c.job_id, events.c.number)
            ):
                if row.job_id in found:
                    found[row.job_id].events.append(_numbered(row))
        return list(found.values())

    async def delete(self, job_ids: Collection[str]) -> None:
        """Remove jobs and all that is written of them but their live tasks, which `forget` removes when they end."""

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(delete(tasks).where(tasks.c.job_id.in_(job_ids), tasks.c.ended_at.is_not(None)))
            await connection.execute(delete(jobs).where(jobs.c.id.in_(job_ids)))

        await self._database.write(write)

    async def forget(self, task: TaskRecord) -> None:
        """Remove a task whose job is gone; what a job that is over got from it late expires with the job."""
        there = select(jobs.c.id).where(jobs.c.id == task.job_id)
        late = (assets.c.job_id == task.job_id) & (assets.c.role == "part") & assets.c.expires_at.is_(None)
        until = select(jobs.c.expires_at).where(jobs.c.id == task.job_id).scalar_subquery()

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(delete(tasks).where(tasks.c.id == task.id, ~there.exists()))
            await connection.execute(update(assets).where(late).values(expires_at=func.coalesce(until, time.time())))

        await self._database.write(write)

    async def page(
        self,
        *,
        owner: str,
        kind: JobKind,
        after: str | None,
        limit: int,
        ascending: bool,
        statuses: Collection[Status] = (),
        model: str | None = None,
    ) -> Sequence[JobRecord]:
        """At most *limit* jobs of an *owner*, by time and id; those behind the job *after*. No *statuses*: all."""
        wanted = select(jobs).where(jobs.c.owner == owner, jobs.c.kind == kind)
        if statuses:
            wanted = wanted.where(jobs.c.status.in_(statuses))
        if model is not None:
            wanted = wanted.where(jobs.c.model == model)
        last = None if after is None else await self.get(after, owner=owner)
        cursor = None if last is None else (last.created_at, last.id)
        page = behind(wanted, jobs, cursor, ascending=ascending).limit(limit)
        async with self._database.reading() as connection:
            return [job_from(row) for row in await connection.execute(page)]

    # Steps.

    async def step(self, job_id: str, name: str, result: bytes) -> None:
        """Keep a step's result (JSON). The way of a step may be written over, as long as nothing was accepted."""
        values = {"result": result, "created_at": time.time()}
        keep = upsert(steps).values(job_id=job_id, name=name, **values)
        keep = keep.on_conflict_do_update(index_elements=("job_id", "name"), set_=values)
        await self._database.write(lambda connection: connection.execute(keep))

    # Tasks.

    async def intend(self, task: TaskRecord) -> None:
        await self._database.write(lambda connection: connection.execute(insert(tasks).values(**task_columns(task))))

    async def note(self, task: TaskRecord) -> None:
        """Write down how a task stands now."""
        values = task_columns(task)
        names = ("engine_task", "result", "error", *_MOMENTS)
        change = update(tasks).where(tasks.c.id == task.id).values(**{name: values[name] for name in names})
        await self._database.write(lambda connection: connection.execute(change))

    async def done(self, task: TaskRecord, arrivals: Collection[Arrival], *, owner: str) -> None:
        """A task's end together with the files that it made."""
        values = task_columns(task)
        names = ("engine_task", "result", *_MOMENTS)

        async def write(connection: AsyncConnection) -> None:
            for arrival in arrivals:
                await record(connection, arrival, owner=owner, job_id=task.job_id, role="part")
            await connection.execute(
                update(tasks).where(tasks.c.id == task.id).values(**{name: values[name] for name in names})
            )

        await self._database.write(write)

    async def tasks(self, job_id: str) -> Sequence[TaskRecord]:
        return await self._tasks(tasks.c.job_id == job_id)

    async def live_tasks(self) -> Sequence[TaskRecord]:
        return await self._tasks(tasks.c.ended_at.is_(None))

    async def unanswered(self, account_id: str, parameters: Parameters) -> Sequence[TaskRecord]:
        """The live tasks sent to an account that a list shows as these *parameters*, and that have no name there."""
        waiting = tasks.c.ended_at.is_(None) & tasks.c.engine_task.is_(None) & (tasks.c.account_id == account_id)
        return [task for task in await self._tasks(waiting) if task.parameters.listed() == parameters.listed()]

    async def owned(self, account_id: str, engine_tasks: Collection[str]) -> set[str]:
        """Which of an engine's tasks are ours."""
        found = await self._tasks((tasks.c.account_id == account_id) & tasks.c.engine_task.in_(engine_tasks))
        return {task.engine_task for task in found if task.engine_task is not None}

    async def _tasks(self, condition: Any) -> Sequence[TaskRecord]:
        async with self._database.reading() as connection:
            return [task_from(row) for row in await connection.execute(_in_order(condition))]

    # Events.

    async def append(self, job_id: str, event: Numbered) -> None:
        await self._database.write(lambda connection: _append(connection, job_id, event))

    async def events(self, job_id: str, *, after: int = 0) -> Sequence[Numbered]:
        wanted = select(events).where(events.c.job_id == job_id, events.c.number > after).order_by(events.c.number)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).all()
        return [_numbered(row) for row in rows]


async def _append(connection: AsyncConnection, job_id: str, event: Numbered) -> None:
    await connection.execute(
        insert(events).values(job_id=job_id, number=event.number, at=event.at, data=encode(event.event))
    )


def _in_order(condition: Any) -> Select[Any]:
    """The tasks that meet a condition, in the order in which they were intended."""
    return select(tasks).where(condition).order_by(tasks.c.intended_at, tasks.c.attempt)


def _numbered(row: Row[Any]) -> Numbered:
    return Numbered(number=row.number, at=row.at, event=msgspec.json.decode(row.data, type=Event))
