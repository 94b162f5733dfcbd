"""One task at an engine, from the lease of an account to its files in the store, durable at each step.

The intent is on disk before the call, the engine's task id as soon as it is known, the files before the task is done.
Only a submit that is known not to have been accepted is sent again.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from sora2api.accounts import Account, AccountBook, Engines, Health, Lease, Need, Pool
from sora2api.drivers import Driver, Remote, TaskState, Work
from sora2api.errors import (
    AccountUnavailable,
    BadRequest,
    ConnectFault,
    EngineError,
    EngineFault,
    InvalidImage,
    InvalidVideo,
    NetworkFault,
    PolicyRefusal,
    QueueTimeout,
    Sora2ApiError,
    SubmitUnknown,
    TaskLost,
)
from sora2api.jobs import faults
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.lost import LostSubmits
from sora2api.jobs.poller import Pollers
from sora2api.jobs.records import Parameters, TaskRecord
from sora2api.media.store import Arrival, MediaStore, receive
from sora2api.modes import Event, Failure, Result, TaskRetried, TaskSubmitted, Waiting

log = logging.getLogger(__name__)

_FETCHES: Final = 6
_ASK_AGAIN: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


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

    async def say(self, event: Event) -> None: ...


class Limits(Struct, frozen=True, kw_only=True):
    """What bounds a task: times in seconds, sizes in bytes."""

    queue_timeout: float
    tries: int
    file_size: int


class Tasks:
    """Does tasks."""

    def __init__(
        self,
        *,
        book: AccountBook,
        engines: Engines,
        pool: Pool,
        health: Health,
        pollers: Pollers,
        lost: LostSubmits,
        ledger: Ledger,
        store: MediaStore,
        limits: Limits,
    ) -> None:
        self._book = book
        self._engines = engines
        self._pool = pool
        self._health = health
        self._pollers = pollers
        self._lost = lost
        self._ledger = ledger
        self._store = store
        self._limits = limits
        self._sending: set[asyncio.Task[TaskState]] = set()

    async def close(self, *, patience: float) -> None:
        """Wait a little for the answers of submits that are under way, so that they need not be looked for."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=patience)

    async def do(self, job: Job, spec: Spec, on_progress: Callable[[int], None]) -> TaskRecord:
        """Do a task, or go on with it after a restart; its record, with the result."""
        task = _latest(job, spec.name)
        if task is not None and task.result is not None:
            return task
        fresh = task is None
        while True:
            if task is None:
                task = await self._intend(job, spec)
            try:
                state = await self._accepted(task, spec, fresh=fresh)
                await job.say(TaskSubmitted(step=spec.name, task=task.id, account=self._book.get(task.account_id).name))
                state = await self._finished(task, state, on_progress)
                task.result = await self._bring(job, task, state)
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

    # Lease and intent.

    async def _intend(self, job: Job, spec: Spec) -> TaskRecord:
        failed = [task for task in job.tasks if task.step == spec.name]
        need = msgspec.structs.replace(spec.need, avoid=frozenset(task.account_id for task in failed))
        task_id = f"task_{secrets.token_hex(12)}"
        lease = await self._lease(job, need, task_id, patience=spec.patience)
        work = spec.work
        task = TaskRecord(
            id=task_id,
            job_id=job.id,
            step=spec.name,
            attempt=len(failed) + 1,
            account_id=lease.account.id,
            slot=need.slot,
            make=work.make,
            model=lease.model.name,
            parameters=_parameters(work),
            intended_at=time.time(),
        )
        await self._ledger.intend(task)
        job.tasks.append(task)
        faults.point("intent")
        return task

    async def _lease(self, job: Job, need: Need, task_id: str, *, patience: float | None) -> Lease:
        wait = self._limits.queue_timeout if patience is None else patience
        leased = asyncio.ensure_future(self._pool.lease(need, task=task_id, owner=job.owner, admitted=job.admitted))
        try:
            await asyncio.wait((leased,), timeout=0)
            if not leased.done():
                job.need = need
                await job.say(Waiting(reason=self._pool.reason(need, admitted=job.admitted)))
            return await asyncio.wait_for(leased, wait)
        except TimeoutError:
            if patience is None:
                raise QueueTimeout(f"The job waited {wait:.0f} s for an account.") from None
            raise AccountUnavailable from None
        finally:
            leased.cancel()
            job.need = None

    # Submit.

    async def _accepted(self, task: TaskRecord, spec: Spec, *, fresh: bool) -> TaskState | None:
        """Have the engine take the task; how it stands, if the engine said so. Raises when it is not taken."""
        if task.engine_task is not None:
            # a character is no task that could be polled: it is there once the engine has named it
            return TaskState(id=task.engine_task, status="completed") if task.make == "cast" else None
        account = self._book.get(task.account_id)
        driver = self._engines.driver(account)
        work = msgspec.structs.replace(spec.work, key=_key(task), model=task.model)
        if not fresh:
            await self._acquaint(account)
        if not fresh and not driver.repeatable(work):
            found = await self._found(account, task, work)
            if found is not None:
                return found
        for _ in range(self._limits.tries):
            try:
                return await self._send(driver, task, work)
            except ConnectFault:
                raise
            except NetworkFault as error:
                log.warning("answer lost", extra={"task": task.id, "account": account.name, "code": error.code})
                found = None if driver.repeatable(work) else await self._found(account, task, work)
                if found is not None:
                    return found
        raise ConnectFault("The engine did not take the task, and did not answer, several times.")

    async def _acquaint(self, account: Account) -> None:
        """Have the driver look at its engine, since what a new one can do is known only then; wait for an answer."""
        while True:
            try:
                return await self._health.check(account)
            except NetworkFault as error:
                log.warning("engine does not answer", extra={"account": account.name, "code": error.code})
                await asyncio.sleep(_ASK_AGAIN)

    async def _found(self, account: Account, task: TaskRecord, work: Work) -> TaskState | None:
        """What became of a submit without an answer; None: it may be sent again."""
        model = next((model for model in account.models if model.name == task.model), None)
        if work.make not in ("image", "cast") and model is not None and "list" in model.capabilities:
            return await self._lost.settle(task)
        if account.remake_lost:
            return None
        raise SubmitUnknown

    async def _send(self, driver: Driver, task: TaskRecord, work: Work) -> TaskState:
        """Submit. A caller that is cancelled does not break the call off: its answer is still written down."""
        sending = asyncio.create_task(self._submit(driver, task, work), name=f"submit {task.id}")
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        return await asyncio.shield(sending)

    async def _submit(self, driver: Driver, task: TaskRecord, work: Work) -> TaskState:
        with self._lost.flying(task):
            state = await driver.submit(work)
            faults.point("submit")
            if any(output.data is not None for output in state.outputs):
                return state  # it exists nowhere but here: were it noted, a restart would ask the engine for it
            task.engine_task = state.id
            task.submitted_at = time.time()
            await self._ledger.note(task)
        faults.point("record")
        return state

    # Wait and fetch.

    async def _finished(
        self, task: TaskRecord, state: TaskState | None, on_progress: Callable[[int], None]
    ) -> TaskState:
        if state is None or state.status in ("queued", "in_progress"):
            if task.engine_task is None:
                raise EngineFault("The engine took the task without naming it.")
            state = await self._pollers.follow(
                task.account_id, task.engine_task, lambda seen: on_progress(seen.progress or 0)
            )
        if state.status == "lost":
            raise TaskLost
        if state.status == "failed":
            raise state.error or EngineFault()
        return state

    async def _bring(self, job: Job, task: TaskRecord, state: TaskState) -> Result:
        """Fetch, keep and write down what the task made, and free its slot."""
        with self._store.scratch() as folder:
            arrivals = [
                await self._fetch(task, state, output, folder / str(index))
                for index, output in enumerate(state.outputs)
            ]
            faults.point("fetch")
            with self._store.arriving(arrivals):
                for arrival in arrivals:
                    await self._store.settle(arrival)
                faults.point("store")
                value = state.id if task.make == "cast" else None
                result = Result(media=tuple(arrival.media for arrival in arrivals), value=value)
                task.result, task.ended_at = result, time.time()
                await self._ledger.done(task, arrivals, owner=job.owner)
        self._pool.release(task.id)
        return result

    async def _fetch(self, task: TaskRecord, state: TaskState, output: Remote, target: Path) -> Arrival:
        driver = self._engines.driver(self._book.get(task.account_id))
        length = 0
        for attempt in range(_FETCHES):
            try:
                chunks = driver.fetch(state, output, offset=length)
                await receive(chunks, target, limit=self._limits.file_size, begin=length)
                return await self._store.examine(target, expect=task.slot)
            except (NetworkFault, InvalidImage, InvalidVideo, BadRequest) as error:
                log.warning("fetch broke", extra={"task": task.id, "code": error.code, "attempt": attempt + 1})
                if attempt + 1 == _FETCHES:
                    raise EngineFault("What the engine made could not be fetched whole.") from error
                length = await asyncio.to_thread(_length, target) if isinstance(error, NetworkFault) else 0
                await asyncio.sleep(min(_LONGEST_PAUSE, 0.5 * 2**attempt))
        raise EngineFault

    # When it goes wrong.

    async def _end(self, task: TaskRecord, error: Sora2ApiError) -> None:
        task.error, task.ended_at = failure(error), time.time()
        await self._ledger.note(task)
        self._pool.release(task.id)

    async def _try_again(self, job: Job, spec: Spec, task: TaskRecord, error: EngineError) -> None:
        """Raise *error* unless the task may be tried once more, elsewhere or after a pause."""
        if isinstance(error, TaskLost):
            may = self._book.get(task.account_id).remake_lost
        else:
            may = task.engine_task is None and not isinstance(error, BadRequest | PolicyRefusal)
        if not may or task.attempt >= self._limits.tries:
            raise error
        await job.say(
            TaskRetried(
                step=spec.name,
                task=task.id,
                account=self._book.get(task.account_id).name,
                code=error.code,
                message=error.message,
            )
        )
        tried = {other.account_id for other in job.tasks if other.step == spec.name}
        if {account.id for account, _ in self._pool.candidates(spec.need)} <= tried:
            await asyncio.sleep(min(_LONGEST_PAUSE, 0.5 * 2**task.attempt))


def failure(error: Sora2ApiError) -> Failure:
    return Failure(code=error.code, message=error.message, param=error.param, status=error.status)


def _parameters(work: Work) -> Parameters:
    """What a list shows of *work*; an extension's length there is that of the whole."""
    seconds = None if work.make == "extend" else work.seconds
    return Parameters(prompt=work.prompt, size=work.size, seconds=seconds, source=work.source)


def _latest(job: Job, name: str) -> TaskRecord | None:
    """The task of this name that is done or still live."""
    return next((task for task in job.tasks if task.step == name and task.error is None), None)


def _key(task: TaskRecord) -> str:
    """The same for each try of the same work; another one once the engine had taken it and lost it."""
    return f"{task.job_id}.{task.step}.{task.attempt}"


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
