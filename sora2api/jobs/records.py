"""A job and its tasks as they are stored."""

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Row

from sora2api.modes import Character, Cost, Failure, Media, Output, Plan, Request, Result
from sora2api.notify import JobEnd

JobKind = Literal["video", "image", "character"]
Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]

OVER: Final = frozenset({"completed", "failed", "cancelled"})

encode = msgspec.json.encode


class JobRecord(Struct, kw_only=True):
    """A job. *source* is the video that it changes; *engine* the account that made it; times are in seconds."""

    id: str
    kind: JobKind
    owner: str
    mode: str
    mode_version: str
    model: str
    prompt: str
    size: str
    seconds: float | None
    source: str | None
    request: Request
    plan: Plan
    status: Status
    progress: int
    error: Failure | None
    outputs: tuple[Output, ...]
    engine: str | None
    share_id: str | None
    created_at: float
    started_at: float | None
    completed_at: float | None
    expires_at: float | None
    cancel_at: float | None = None
    """When it is cancelled if it is not over."""
    digest: str = ""
    """What the request was, to know the same one again."""
    answered: bool = False
    """Whether the reply to the request was written whole."""
    worker: str | None = None
    """The process that works it, while it is not over."""
    request_id: str | None = None
    """The request that made it, as the log knows it."""
    groups: tuple[str, ...] = ()
    """The groups of accounts that it is bound to: an account must be in each."""
    price: Cost | None = None
    """What its model cost when it was taken."""
    sandbox: bool = False
    """Whether it was asked for as a trial on the built-in sandbox: it counts for nobody, and nobody is told of it."""
    waiting_for: str | None = None
    """Why it has not started; known only while it waits."""
    queue_position: int | None = None
    """How many wait for the same kind of slot and go before it, and itself; known only while it waits."""

    def over(self) -> bool:
        return self.status in OVER

    def media(self) -> tuple[Media, ...]:
        """All files that it made."""
        return tuple(media for output in self.outputs for media in output.media)

    def character(self) -> Character | None:
        return next((output.character for output in self.outputs if output.character), None)


class Parameters(Struct, frozen=True, kw_only=True):
    """What of a task's work an engine's list shows; by it a submit whose answer was lost is found."""

    prompt: str
    size: str | None
    seconds: float | None
    source: str | None
    beside: str
    """What the list does not show, as a digest: tasks that differ in it are not to be taken for one another."""

    def listed(self) -> tuple[object, ...]:
        return self.prompt, self.size, self.seconds, self.source


class TaskRecord(Struct, kw_only=True):
    """A piece of work at an engine. Live until *ended_at*; accepted once *engine_task* is known."""

    id: str
    job_id: str
    step: str
    attempt: int
    account_id: str
    slot: Literal["image", "video"]
    make: str
    model: str
    parameters: Parameters
    engine_task: str | None = None
    result: Result | None = None
    error: Failure | None = None
    asked_at: float | None = None
    """When it began to wait for an account."""
    waited_for: str | None = None
    """Why it had to wait, at last."""
    intended_at: float
    proxy: str | None = None
    """What its calls went through: a proxy's name, or its URL without its password."""
    submitted_at: float | None = None
    """When the engine answered that it had taken it."""
    progressed_at: float | None = None
    """When the engine first told of progress."""
    made_at: float | None = None
    """When the engine was seen to have made it."""
    ended_at: float | None = None

    def key(self) -> str:
        """The same for each submit of this task."""
        return f"{self.job_id}.{self.step}.{self.attempt}"


_PASSING: Final = frozenset({"waiting_for", "queue_position"})
"""Of a job, what is not stored."""
_JOB_BLOBS: Final[dict[str, Any]] = {
    "request": Request,
    "plan": Plan,
    "error": Failure,
    "outputs": tuple[Output, ...],
    "groups": tuple[str, ...],
    "price": Cost,
}
_TASK_BLOBS: Final[dict[str, Any]] = {"parameters": Parameters, "result": Result, "error": Failure}


def job_end(record: JobRecord) -> JobEnd:
    """The end of a job that is over, for webhooks."""
    return JobEnd(
        job_id=record.id,
        kind=record.kind,
        status=record.status,
        owner=record.owner,
        callback_url=record.request.callback_url,
    )


def job_columns(record: JobRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__struct_fields__ if name not in _PASSING}
    return _packed(values, _JOB_BLOBS)


def task_columns(record: TaskRecord) -> dict[str, Any]:
    return _packed({name: getattr(record, name) for name in record.__struct_fields__}, _TASK_BLOBS)


def job_from(row: Row[Any]) -> JobRecord:
    values = _unpacked(row, _JOB_BLOBS)
    values["outputs"] = values["outputs"] or ()
    return JobRecord(**values)


def task_from(row: Row[Any]) -> TaskRecord:
    return TaskRecord(**_unpacked(row, _TASK_BLOBS))


def _packed(values: dict[str, Any], blobs: dict[str, Any]) -> dict[str, Any]:
    packed = {name: None if values[name] is None else encode(values[name]) for name in blobs}
    return values | packed


def _unpacked(row: Row[Any], blobs: dict[str, Any]) -> dict[str, Any]:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    for name, kind in blobs.items():
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name], type=kind)
    return values
