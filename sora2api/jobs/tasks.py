"""One task at an engine, from the lease of an account to its files in the store, durable at each step.

The intent is on disk before the call, the engine's task id as soon as it is known, the files before the task is done.
Only a submit that is known not to have been accepted is sent again.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from sora2api.accounts import AccountBook, Health, Lease, Need, Pool
from sora2api.drivers import TaskState, Work
from sora2api.errors import (
    AccountUnavailable,
    BadRequest,
    EngineError,
    EngineFault,
    PolicyRefusal,
    QueueTimeout,
    Sora2ApiError,
    SubmitUnknown,
    TaskLost,
)
from sora2api.jobs import faults
from sora2api.jobs.fetch import Fetches
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.poller import Pollers
from sora2api.jobs.records import Parameters, TaskRecord, encode
from sora2api.jobs.submit import Submits
from sora2api.modes import Event, Failure, TaskRetried, TaskSubmitted, Waiting

log = logging.getLogger(__name__)

_LONGEST_PAUSE: Final = 30.0
_REASON_EVERY: Final = 10.0
"""Seconds after which it is said anew what a job waits for."""


class Spec(Struct, frozen=True, kw_only=True):
    """A task to be done: *name* is unique in its job; *work* lacks only the key and the engine's model.

    *patience* bounds the wait for an account: then `AccountUnavailable` is raised; None: as long as a job may wait.
    """

    name: str
    need: Need
    work: Work
    patience: float | None = None


class Job(Protocol):
    """The job that a task is done for, as far as that needs to know it."""

    tasks: list[TaskRecord]
    need: Need | None

    @property
    def id(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def admitted(self) -> float: ...

    def begin(self) -> None: ...
    async def say(self, event: Event) -> None: ...


class Tasks:
    """Does tasks. *queue_timeout* bounds the wait for an account, in seconds; *tries* the attempts."""

    def __init__(
        self,
        *,
        book: AccountBook,
        pool: Pool,
        health: Health,
        pollers: Pollers,
        submits: Submits,
        fetches: Fetches,
        ledger: Ledger,
        queue_timeout: float,
        tries: int,
    ) -> None:
        self._book = book
        self._pool = pool
        self._health = health
        self._pollers = pollers
        self._submits = submits
        self._fetches = fetches
        self._ledger = ledger
        self._queue_timeout = queue_timeout
        self._tries = tries

    async def do(self, job: Job, spec: Spec, on_progress: Callable[[int], None]) -> TaskRecord:
        """Do a task, or go on with it after a restart; its record, with the result."""
        task = _latest(job, spec.name)
        fresh = task is None
        while True:
            if task is None:
                task = await self._intend(job, spec)
            try:
                if task.result is None:
                    await self._work(job, spec, task, on_progress, fresh=fresh)
            except EngineError as error:
                await self._end(task, error)
                await self._health.note(task.account_id, error, model=spec.need.model)
                await self._try_again(job, spec, task, error)
                task, fresh = None, True
            except SubmitUnknown as error:
                await self._end(task, error)
                raise
            else:
                await self._health.well(task.account_id)
                return task

    async def _work(
        self, job: Job, spec: Spec, task: TaskRecord, on_progress: Callable[[int], None], *, fresh: bool
    ) -> None:
        """From the submit to the result, or from where that was left."""
        take = partial(self._fetches.bring, task, owner=job.owner)
        if task.engine_task is None:
            state: TaskState | None = await self._submits.accepted(task, spec.work, fresh=fresh, take=take)
        else:
            # a character is no task that could be polled: it is there once the engine has named it
            state = TaskState(id=task.engine_task, status="completed") if task.make == "cast" else None
        await job.say(TaskSubmitted(step=spec.name, task=task.id, account=self._name(task)))
        if task.result is None:
            await take(await self._finished(task, state, on_progress))

    async def _finished(
        self, task: TaskRecord, state: TaskState | None, on_progress: Callable[[int], None]
    ) -> TaskState:
        """The task's state once it is completed."""
        if state is None or state.status in ("queued", "in_progress"):
            if task.engine_task is None:
                raise EngineFault("The engine took the task without naming it.")

            def seen(state: TaskState) -> None:
                if state.progress and task.progressed_at is None:
                    task.progressed_at = time.time()
                on_progress(state.progress or 0)

            state = await self._pollers.follow(task.account_id, task.engine_task, seen)
        if state.status == "lost":
            raise TaskLost
        if state.status == "failed":
            raise state.error or EngineFault()
        task.made_at = time.time()
        return state

    # Lease and intent.

    async def _intend(self, job: Job, spec: Spec) -> TaskRecord:
        failed = [task for task in job.tasks if task.step == spec.name]
        need = msgspec.structs.replace(spec.need, avoid=frozenset(task.account_id for task in failed))
        task_id = f"task_{secrets.token_hex(12)}"
        parameters = await _parameters(spec.work)  # first: between the lease and the task nothing may be broken off
        asked_at = time.time()
        lease, waited_for = await self._lease(job, need, task_id, patience=spec.patience)
        job.begin()
        task = TaskRecord(
            id=task_id,
            job_id=job.id,
            step=spec.name,
            attempt=len(failed) + 1,
            account_id=lease.account.id,
            slot=need.slot,
            make=spec.work.make,
            model=lease.model.name,
            parameters=parameters,
            asked_at=asked_at,
            waited_for=waited_for,
            intended_at=time.time(),
        )
        job.tasks.append(task)
        await self._ledger.intend(task)
        faults.point("intent")
        return task

    async def _lease(self, job: Job, need: Need, task_id: str, *, patience: float | None) -> tuple[Lease, str | None]:
        """An account with a slot for the task, and what it was waited for, at last."""
        wait = self._queue_timeout if patience is None else patience
        leased = asyncio.ensure_future(self._pool.lease(need, task=task_id, owner=job.owner, admitted=job.admitted))
        try:
            return await self._granted(job, need, leased, wait=wait)
        except BaseException as error:
            leased.cancel()
            self._pool.release(task_id, made=False)
            if not isinstance(error, TimeoutError):
                raise
            if patience is not None:
                raise AccountUnavailable from None
            raise QueueTimeout(f"The job waited {wait:.0f} s for an account.") from None
        finally:
            job.need = None

    async def _granted(
        self, job: Job, need: Need, leased: asyncio.Future[Lease], *, wait: float
    ) -> tuple[Lease, str | None]:
        """Wait for a lease, and say now and then what for. Raises `TimeoutError`."""
        reason = None
        until = time.monotonic() + wait
        await asyncio.wait((leased,), timeout=0)
        while not leased.done():
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            job.need = need
            reason = self._pool.reason(need, admitted=job.admitted)
            await job.say(Waiting(reason=reason))
            await asyncio.wait((leased,), timeout=min(left, _REASON_EVERY))
        return leased.result(), reason

    # When it goes wrong.

    async def _end(self, task: TaskRecord, error: Sora2ApiError) -> None:
        task.error, task.ended_at = failure(error), time.time()
        try:
            await self._ledger.note(task)
        except SQLAlchemyError:
            task.ended_at = None  # it has not ended before that is written
            raise
        finally:
            if task.ended_at is not None:
                made = task.submitted_at is not None or isinstance(error, SubmitUnknown)
                self._pool.release(task.id, made=made)

    async def _try_again(self, job: Job, spec: Spec, task: TaskRecord, error: EngineError) -> None:
        """Raise *error* unless the task may be tried once more, elsewhere or after a pause."""
        if isinstance(error, TaskLost):
            may = self._book.get(task.account_id).remake_lost
        else:
            may = task.submitted_at is None and not isinstance(error, BadRequest | PolicyRefusal)
        if not may or task.attempt >= self._tries:
            raise error
        log.warning("task tried again", extra={"task": task.id, "account": self._name(task), "code": error.code})
        await job.say(
            TaskRetried(step=spec.name, task=task.id, account=self._name(task), code=error.code, message=error.message)
        )
        tried = {other.account_id for other in job.tasks if other.step == spec.name}
        if {account.id for account, _ in self._pool.candidates(spec.need)} <= tried:
            await asyncio.sleep(min(_LONGEST_PAUSE, 0.5 * 2**task.attempt))

    def _name(self, task: TaskRecord) -> str:
        return self._book.get(task.account_id).name


def failure(error: Sora2ApiError) -> Failure:
    return Failure(code=error.code, message=error.message, param=error.param, status=error.status)


async def _parameters(work: Work) -> Parameters:
    """What a list shows of *work*; an extension's length there is that of the whole."""
    seconds = None if work.make == "extend" else work.seconds
    beside = encode((work.make, work.n, work.shots, work.characters, work.extra))
    pictures = [await asyncio.to_thread(_digest, file.path) for file in work.images]
    return Parameters(
        prompt=work.prompt,
        size=work.size,
        seconds=seconds,
        source=work.source,
        beside=sha256(beside + encode(pictures)).hexdigest(),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _latest(job: Job, name: str) -> TaskRecord | None:
    """The task of this name that is done or still live."""
    return next((task for task in job.tasks if task.step == name and task.error is None), None)
