"""The log's writes, each within a transaction: what is added, what a job's end tells, what is removed."""

import time
import zlib
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Row, bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.egress.trace import Call
from sora2api.observe.cut import text
from sora2api.observe.requests import Note
from sora2api.store.tables import accounts, calls, jobs, request_bodies, requests, tasks

_LONGEST_PATH: Final = 500
_SQL_NAMES: Final = 500
_SAMPLES: Final = 256
_ROW: Final = 150
"""Of a row, the bytes of its numbers and of its places in indexes."""

_NOTED: Final = (
    *("id", "at", "key_id", "address", "method", "path", "status", "code"),
    *("bytes_in", "bytes_out", "replied", "job_id", "mode", "model", "prompt"),
)
_ADD: Final = str(insert(requests).compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=_NOTED))
"""Compiled once, with its values in the order of the columns: each call of the API pays for this."""
_ADD_CALL: Final = insert(calls).values(
    request_id=select(jobs.c.request_id).where(jobs.c.id == bindparam("of_job", type_=jobs.c.id.type)).scalar_subquery()
)


_values: Final = attrgetter(*_NOTED)


class Batch(Struct, frozen=True):
    """Rows to be added."""

    requests: list[tuple[Any, ...]]
    bodies: Sequence[dict[str, Any]]
    calls: Sequence[dict[str, Any]]


def packed(notes: Sequence[Note], made: Sequence[Call], *, prompts: bool) -> Batch:
    """The rows of notes and calls, bodies compressed: work for a thread."""
    return Batch(
        [_row(note, prompts=prompts) for note in notes],
        [
            {"request_id": note.id, "request": _compressed(note.body), "reply": _compressed(note.told)}
            for note in notes
            if note.with_bodies() and (note.body or note.told)
        ],
        [
            msgspec.structs.asdict(call) | {"of_job": call.job_id, "url": text(call.url)[:_LONGEST_PATH]}
            for call in made
        ],
    )


def _row(note: Note, *, prompts: bool) -> tuple[Any, ...]:
    note.path = text(note.path)[:_LONGEST_PATH]
    note.prompt = text(note.prompt) if note.prompt and prompts else None
    return _values(note)


def _compressed(body: bytes | None) -> bytes | None:
    return zlib.compress(body) if body else None


async def add(connection: AsyncConnection, batch: Batch) -> None:
    if batch.requests:
        await connection.exec_driver_sql(_ADD, batch.requests)
    if batch.bodies:
        await connection.execute(insert(request_bodies), batch.bodies)
    if batch.calls:
        await connection.execute(_ADD_CALL, batch.calls)


# The end of a job.


async def complete(connection: AsyncConnection, job_ids: Collection[str]) -> None:
    """Tell the requests that made these jobs what became of those that are over."""
    ids = list(job_ids)
    for begin in range(0, len(ids), _SQL_NAMES):
        wanted = (
            select(jobs, requests.c.id.label("made_by"), requests.c.at)
            .join(requests, requests.c.id == jobs.c.request_id)
            .where(jobs.c.id.in_(ids[begin : begin + _SQL_NAMES]), jobs.c.completed_at.is_not(None))
        )
        ended = (await connection.execute(wanted)).all()
        for row in ended:
            done = select(tasks, accounts.c.name).join(accounts).where(tasks.c.job_id == row.id)
            found = (await connection.execute(done.order_by(tasks.c.intended_at))).all()
            await connection.execute(update(requests).where(requests.c.id == row.made_by).values(_outcome(row, found)))


def _outcome(job: Row[Any], done: Sequence[Row[Any]]) -> dict[str, Any]:
    """What a job's end tells of its request: times are seconds after that came."""

    def after(moments: Sequence[float | None], *, last: bool = False) -> float | None:
        known = [moment for moment in moments if moment is not None]
        return None if not known else max(0.0, (max(known) if last else min(known)) - job.at)

    values: dict[str, Any] = {
        "mode": job.mode,
        "model": job.model,
        "account": job.engine or (done[-1].name if done else None),
        "proxy": done[-1].proxy if done else None,
        "queued": after([job.created_at]),
        "submitted": after([task.submitted_at for task in done]),
        "progressed": after([task.progressed_at for task in done]),
        "made": after([task.made_at for task in done], last=True),
        "stored": after([job.completed_at]),
    }
    if job.error is not None:
        values["code"] = func.coalesce(requests.c.code, msgspec.json.decode(job.error)["code"])
    return values


async def unfinished(connection: AsyncConnection) -> Sequence[str]:
    """The jobs that are over, and whose requests do not know it."""
    wanted = (
        select(requests.c.job_id)
        .join(jobs, jobs.c.id == requests.c.job_id)
        .where(requests.c.mode.is_not(None), requests.c.stored.is_(None))  # as `UNSTORED` has it, by its index
        .where(jobs.c.request_id == requests.c.id, jobs.c.completed_at.is_not(None))
    )
    return (await connection.execute(wanted)).scalars().all()


# What goes.


async def forget(connection: AsyncConnection, job_id: str) -> None:
    """Remove what was said in the requests of a job."""
    about = select(requests.c.id).where(requests.c.job_id == job_id)
    await connection.execute(delete(request_bodies).where(request_bodies.c.request_id.in_(about)))
    await connection.execute(update(requests).where(requests.c.job_id == job_id).values(prompt=None))


async def remove_before(connection: AsyncConnection, moment: float, *, at_most: int) -> int:
    """Remove the oldest rows up to *moment*, at most so many; how many."""
    removed = 0
    for table in (requests, calls):
        oldest = select(table.c.id).where(table.c.at <= moment).order_by(table.c.at).limit(at_most - removed)
        removed += (await connection.execute(delete(table).where(table.c.id.in_(oldest)))).rowcount
    return removed


async def oldest(connection: AsyncConnection, *, behind: int) -> float:
    """The time by which so many requests, or so many calls, are older, whichever is longer ago."""
    found = []
    for table in (requests, calls):
        first = select(table.c.at).order_by(table.c.at).limit(behind).subquery()
        found.append((await connection.execute(select(func.max(first.c.at)))).scalar_one())
    known = [moment for moment in found if moment is not None]
    return min(known) if known else time.time()


async def surplus(connection: AsyncConnection, limit: int) -> int:
    """How many rows are more than those that take *limit* bytes."""
    count, length = await size(connection)
    return 0 if length <= limit else max(1, int(count * (1 - limit / length)))


async def size(connection: AsyncConnection) -> tuple[int, int]:
    """About how many rows the log has, and bytes: by some that lie evenly among all, however many those are."""
    parts = [await _size_of(connection, table) for table in (requests, calls)]
    return sum(count for count, _ in parts), sum(length for _, length in parts)


async def _size_of(connection: AsyncConnection, table: Any) -> tuple[int, int]:
    number: Any = literal_column(f"{table.name}.rowid")
    # A subquery each: asked for both at once, SQLite would go through all rows.
    ends = (select(end(number)).select_from(table).scalar_subquery() for end in (func.min, func.max))
    first, last = (await connection.execute(select(*ends))).one()
    if first is None:
        return 0, 0
    span = last - first + 1
    step = max(1, span // _SAMPLES)
    sample = range(first, last + 1, step)
    texts = [func.coalesce(func.length(column), 0) for column in table.c if column.type.python_type in (str, bytes)]
    wanted = select(func.count(), func.sum(sum(texts, start=literal_column("0")))).where(number.in_(sample))
    rows, length = (await connection.execute(wanted)).one()
    if table is requests:
        length = (length or 0) + await _bodies(connection, number, sample)
    return rows * span // len(sample), int(((length or 0) + rows * _ROW) * span / len(sample))


async def _bodies(connection: AsyncConnection, number: Any, sample: range) -> int:
    lengths = func.coalesce(func.length(request_bodies.c.request), 0) + func.coalesce(
        func.length(request_bodies.c.reply), 0
    )
    wanted = select(func.sum(lengths)).select_from(requests.join(request_bodies)).where(number.in_(sample))
    return int((await connection.execute(wanted)).scalar_one() or 0)
