"""All that is known of a job: its request, its tries, what it said, what was asked for it, and what it left."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import NotFound
from sora2api.observe.cut import text
from sora2api.observe.reader import MadeCall, made_calls
from sora2api.store.database import Database
from sora2api.store.keyset import behind
from sora2api.store.tables import (
    accounts,
    assets,
    calls,
    events,
    jobs,
    keys,
    requests,
    steps,
    tasks,
    webhook_deliveries,
)

_BLOBS: Final = ("request", "plan", "error", "outputs", "groups", "parameters", "result", "data")
_TOLD_APART: Final = frozenset({"type", "media", "error", "message", "reason"})
"""What of an event is not shown as name=value."""
_TRIED: Final = ("asked_at", "intended_at", "submitted_at", "progressed_at", "made_at", "ended_at")
_FILE: Final = ("id", "role", "kind", "bytes", "content_type", "width", "height", "seconds", "created_at", "expires_at")
_DELIVERY: Final = ("id", "endpoint_id", "url", "status", "attempts", "status_code", "error", "created_at", "ended_at")
_END_WITHIN: Final = 3600.0
"""So near to a job's end, in seconds, lie the deliveries that tell of it: they are written in one transaction."""
_LISTED: Final = ("id", "status", "kind", "mode", "model", "engine", "created_at", "completed_at")

Row = dict[str, Any]


class History(Struct, frozen=True, kw_only=True):
    """A job with what was written down of it, each as its table has it; times in seconds since the epoch.

    *call* is the request that made it, as far as the log knows it still; *ways* how its steps are done.
    """

    job: Row
    call: Row | None
    ways: Sequence[Row]
    tasks: Sequence[Row]
    events: Sequence[Row]
    calls: Sequence[MadeCall]
    deliveries: Sequence[Row]
    files: Sequence[Row]


class Moment(Struct, frozen=True):
    """Something that happened: of a job, a task, a call, a delivery or a file."""

    at: float
    what: str
    detail: str


class Histories:
    """Reads jobs, while they are worked or not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, *, status: str | None, model: str | None, owner: str | None, last: tuple[float, str] | None, limit: int
    ) -> Sequence[Row]:
        """At most *limit* jobs behind the *last*, the newest first; *owner* is an API key's id or name."""
        wanted = select(*(jobs.c[name] for name in _LISTED), keys.c.name.label("key"), jobs.c.prompt, jobs.c.error)
        wanted = wanted.select_from(jobs.outerjoin(keys, keys.c.id == jobs.c.owner))
        for column, value in ((jobs.c.status, status), (jobs.c.model, model)):
            wanted = wanted if value is None else wanted.where(column == value)
        if owner is not None:
            wanted = wanted.where((jobs.c.owner == owner) | (keys.c.name == owner))
        async with self._database.reading() as connection:
            return await _rows(connection, behind(wanted, jobs, last, ascending=False).limit(limit))

    async def get(self, job_id: str) -> History:
        async with self._database.reading() as connection:
            found = await _rows(connection, _job().where(jobs.c.id == job_id))
            if not found:
                raise NotFound(f"There is no job {job_id!r} here.")
            (job,) = found
            made_by = await _rows(connection, select(requests).where(requests.c.id == job["request_id"]))
            return History(
                job=job,
                call=made_by[0] if made_by else None,
                ways=await _ways(connection, job_id),
                tasks=await _rows(connection, _tasks(job_id)),
                events=await _rows(connection, _events(job_id)),
                calls=await _calls(connection, job_id),
                deliveries=await _rows(connection, _deliveries(job)),
                files=await _rows(connection, _files(job_id)),
            )


def timeline(history: History) -> Sequence[Moment]:
    """Everything that happened, in the order in which it did."""
    return sorted(_moments(history), key=lambda moment: moment.at)


def _moments(history: History) -> Iterator[Moment]:
    call = history.call
    if call is not None:
        yield Moment(call["at"], "request", f"{call['method']} {call['path']} ({call['id']})")
        if call["replied"] is not None:
            yield Moment(call["at"] + call["replied"], "reply complete", str(call["status"] or ""))
    for event in history.events:
        yield Moment(event["at"], f"event {event['number']}", _told(event["data"]))
    for task in history.tasks:
        yield from _of_task(task)
    for made in history.calls:
        by = f" by {made.proxy}" if made.proxy else ""
        answer = f"{made.status or ''} {made.code or ''}".strip()
        line = f"{made.method} {made.url}{by}: {answer} in {made.took:.3f} s"
        yield Moment(made.at, f"call to {made.account}", line)
    for delivery in history.deliveries:
        whom = delivery["endpoint_id"] or delivery["url"]
        yield Moment(delivery["created_at"], "webhook", f"{delivery['id']}: {whom}")
        if delivery["ended_at"] is not None:
            yield Moment(delivery["ended_at"], f"webhook {delivery['status']}", _answered(delivery))
    for file in history.files:
        yield Moment(file["created_at"], "file", f"{file['role']}: {file['content_type']}, {file['bytes']} bytes")


def _of_task(task: Row) -> Iterator[Moment]:
    named = f"try {task['attempt']} of step {task['step']}"
    failed, account, proxy = task["error"], task["account"], task["proxy"]
    said = {
        "asked_at": f"waits for an account: {task['waited_for']}" if task["waited_for"] else "waits for an account",
        "intended_at": f"goes to {account} by {proxy}" if proxy else f"goes to {account}",
        "submitted_at": f"taken as {task['engine_task']}" if task["engine_task"] else "done at once",
        "progressed_at": "first progress",
        "made_at": "made",
        "ended_at": f"failed: {failed['code']}: {failed['message']}" if failed else "stored",
    }
    for moment in _TRIED:
        if task[moment] is not None:
            yield Moment(task[moment], named, said[moment])


def _told(data: Mapping[str, Any]) -> str:
    """An event in a line, with the sentence that it brings, if any, at its end."""
    parts = [f"{name}={value}" for name, value in data.items() if name not in _TOLD_APART and value]
    media = [f"files={len(data['media'])}"] if data.get("media") else []
    line = " ".join((data["type"], *parts, *media))
    error = data.get("error")
    why = f"{error['code']}: {error['message']}" if error else data.get("message") or data.get("reason")
    return f"{line}: {why}" if why else line


def _answered(delivery: Row) -> str:
    why = delivery["status_code"] or delivery["error"] or "no answer"
    return f"attempts: {delivery['attempts']}, {why}"


# Reading.


def _job() -> Select[Any]:
    shown = [column for column in jobs.c if column.name != "digest"]
    return select(*shown, keys.c.name.label("key")).outerjoin_from(jobs, keys, keys.c.id == jobs.c.owner)


def _tasks(job_id: str) -> Select[Any]:
    joined = select(*tasks.c, accounts.c.name.label("account")).outerjoin_from(tasks, accounts)
    return joined.where(tasks.c.job_id == job_id).order_by(tasks.c.intended_at, tasks.c.attempt)


def _events(job_id: str) -> Select[Any]:
    wanted = select(events.c.number, events.c.at, events.c.data).where(events.c.job_id == job_id)
    return wanted.order_by(events.c.number)


def _files(job_id: str) -> Select[Any]:
    return select(*(assets.c[name] for name in _FILE)).where(assets.c.job_id == job_id).order_by(assets.c.created_at)


def _deliveries(job: Row) -> Select[Any]:
    """What was told of the job's end: the events name it."""
    named = func.instr(webhook_deliveries.c.body, literal(f'"id":"{job["id"]}"'.encode())) > 0
    end = job["completed_at"] or 0.0
    then = webhook_deliveries.c.created_at.between(end - _END_WITHIN, end + _END_WITHIN)
    wanted = select(*(webhook_deliveries.c[name] for name in _DELIVERY))
    return wanted.where(webhook_deliveries.c.owner == job["owner"], then, named).order_by(
        webhook_deliveries.c.created_at
    )


async def _calls(connection: AsyncConnection, job_id: str) -> Sequence[MadeCall]:
    found = await connection.execute(made_calls(calls.c.job_id == job_id))
    return [MadeCall(**row) for row in found.mappings()]


async def _ways(connection: AsyncConnection, job_id: str) -> Sequence[Row]:
    wanted = select(steps.c.name, steps.c.result, steps.c.created_at).where(steps.c.job_id == job_id)
    found = await _rows(connection, wanted.order_by(steps.c.created_at))
    return [row["result"] | {"at": row["created_at"]} for row in found if row["name"].startswith("way:")]


async def _rows(connection: AsyncConnection, wanted: Select[Any]) -> list[Row]:
    """What is found, its JSON decoded and secrets cut out of its texts."""
    found = (await connection.execute(wanted)).mappings().all()
    return [{name: _decoded(name, value) for name, value in row.items()} for row in found]


def _decoded(name: str, value: Any) -> Any:
    if name in _BLOBS and isinstance(value, bytes):
        return msgspec.json.decode(text(value.decode()))
    return text(value) if isinstance(value, str) else value
