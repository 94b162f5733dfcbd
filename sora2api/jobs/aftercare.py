"""What is left at engines when a job has ended early: its tasks are cancelled, and hold their slots until they end."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

from sqlalchemy.exc import OperationalError

from sora2api.accounts import AccountBook, Engines, Pool
from sora2api.drivers import Driver, TaskState
from sora2api.egress.trace import JOB
from sora2api.errors import EngineError, NoEngine, NotFound, Sora2ApiError, SubmitUnknown
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.lost import LostSubmits
from sora2api.jobs.poller import Pollers
from sora2api.jobs.records import TaskRecord

log = logging.getLogger(__name__)

_TRIES: Final = 5
_WRITE_AGAIN: Final = 1.0


class Aftercare:
    """Sees to the live tasks of jobs that are over."""

    def __init__(
        self,
        *,
        book: AccountBook,
        engines: Engines,
        pool: Pool,
        pollers: Pollers,
        lost: LostSubmits,
        ledger: Ledger,
    ) -> None:
        self._book = book
        self._engines = engines
        self._pool = pool
        self._pollers = pollers
        self._lost = lost
        self._ledger = ledger
        self._running: set[asyncio.Task[None]] = set()

    def see_to(self, task: TaskRecord) -> None:
        """Have *task* stopped at its engine, and its slot freed when it has ended there."""
        self._start(self._stop(task), name=f"aftercare of {task.id}")

    def forget(self, account_id: str, character: str) -> None:
        """Have an engine's *character* removed there."""
        self._start(self._forget(account_id, character), name=f"forgetting {character}")

    def _start(self, work: Coroutine[None, None, None], *, name: str) -> None:
        running = asyncio.create_task(work, name=name)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def close(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _stop(self, task: TaskRecord) -> None:
        JOB.set(task.job_id)
        try:
            await self._lost.landed(task)
            if task.engine_task is None and not await self._found(task):
                return
            if task.make == "cast":
                await self._forget(task.account_id, task.engine_task or "")
                return
            await self._cancel(task)
            await self._pollers.follow(task.account_id, task.engine_task or "", _ignore)
        except (EngineError, NoEngine, SubmitUnknown, NotFound) as error:
            log.warning("task not stopped", extra={"task": task.id, "code": error.code})
        finally:
            if not _being_cancelled():
                await self._end(task)

    async def _end(self, task: TaskRecord) -> None:
        """Write down that *task* has ended, as soon as the database takes it, and free its slot."""
        task.ended_at = time.time()
        try:
            await self._note(task)
        finally:
            self._pool.release(task.id, made=task.submitted_at is not None)

    async def _note(self, task: TaskRecord) -> None:
        while True:
            try:
                if task.result is None:
                    await self._ledger.note(task)
                await self._ledger.forget(task)
            except OperationalError as error:  # full, or locked
                said = {"task": task.id, "cause": str(error.orig)}
                log.error("the end could not be written; trying again", extra=said)  # noqa: TRY400 - it is said often
                await asyncio.sleep(_WRITE_AGAIN)
            else:
                return

    async def _found(self, task: TaskRecord) -> bool:
        """Whether the engine had taken a task that was being submitted when its job ended."""
        model = next((model for model in self._book.get(task.account_id).models if model.name == task.model), None)
        if model is None or "list" not in model.capabilities or task.make in ("image", "cast"):
            return False
        return await self._lost.settle(task) is not None

    async def _cancel(self, task: TaskRecord) -> None:
        account = self._book.get(task.account_id)
        model = next((model for model in account.models if model.name == task.model), None)
        if model is None or "cancel" not in model.capabilities or task.engine_task is None:
            return
        await self._insist(account.id, lambda driver: driver.cancel(task.engine_task or ""), failed="cancel failed")

    async def _forget(self, account_id: str, character: str) -> None:
        failed = "character not removed"
        await self._insist(account_id, lambda driver: driver.forget_character(character), failed=failed)

    async def _insist(self, account_id: str, ask: Callable[[Driver], Awaitable[None]], *, failed: str) -> None:
        """Ask an engine several times, with longer and longer pauses."""
        for attempt in range(_TRIES):
            try:
                await ask(self._engines.driver(self._book.get(account_id)))
            except Sora2ApiError as error:
                log.warning(failed, extra={"account": account_id, "code": error.code})
                await asyncio.sleep(2**attempt)
            else:
                return


def _ignore(_state: TaskState) -> None:
    return


def _being_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
