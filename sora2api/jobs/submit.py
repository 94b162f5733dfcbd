"""Having an engine take a task: once, whatever becomes of the answer.

A complete error answer means that the task was not taken. A lost answer means that nobody knows: then the engine's list
is looked at, or the same work is sent again where the engine knows it by its key; else the task fails, since a second
submit in silence may be paid twice.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from sora2api.accounts import Account, AccountBook, Engines, Health
from sora2api.drivers import Driver, TaskState, Work
from sora2api.errors import (
    AccountRejected,
    BadRequest,
    ConnectFault,
    EngineError,
    NetworkFault,
    PolicyRefusal,
    SubmitUnknown,
)
from sora2api.jobs import faults
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.lost import LostSubmits
from sora2api.jobs.records import TaskRecord

log = logging.getLogger(__name__)

Take = Callable[[TaskState], Awaitable[None]]
"""Keeps what an engine sent along with its answer."""

_PAUSE: Final = 1.0
_REFUSALS: Final = (BadRequest, PolicyRefusal)


class Submits:
    """Submits tasks. A caller that is cancelled does not break a call off: its answer is still written down."""

    def __init__(
        self,
        *,
        book: AccountBook,
        engines: Engines,
        health: Health,
        lost: LostSubmits,
        ledger: Ledger,
        tries: int,
    ) -> None:
        self._book = book
        self._engines = engines
        self._health = health
        self._lost = lost
        self._ledger = ledger
        self._tries = tries
        self._sending: set[asyncio.Task[TaskState]] = set()

    async def close(self, *, patience: float) -> None:
        """Wait a little for the answers of submits that are under way, so that they need not be looked for."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=patience)

    async def accepted(self, task: TaskRecord, work: Work, *, fresh: bool, take: Take) -> TaskState:
        """Have the engine take *task*, or find out that it did. Raises why not, or `SubmitUnknown`.

        A task that is not *fresh* may have been sent before a restart.
        """
        account = self._book.get(task.account_id)
        unknown = not fresh
        if unknown:
            await self._acquaint(account)
            if not self._engines.driver(account).repeatable(work):
                found = await self._found(task, work)
                if found is not None:
                    return found
                unknown = False
        for _ in range(self._tries):
            driver = self._engines.driver(self._book.get(task.account_id))
            try:
                return await self._send(driver, task, work, take)
            except EngineError as error:
                unknown = await self._weigh(error, account, unknown=unknown)
                if not driver.repeatable(work):
                    found = await self._found(task, work)
                    if found is None:
                        raise
                    return found
        raise SubmitUnknown

    async def _weigh(self, error: EngineError, account: Account, *, unknown: bool) -> bool:
        """Whether the task may have been taken, and is to be sent again under its key; else raise the *error*."""
        lost = isinstance(error, NetworkFault) and not isinstance(error, ConnectFault)
        if lost:
            log.warning("answer lost", extra={"account": account.name, "code": error.code})
            return True
        if not unknown or account.remake_lost or isinstance(error, _REFUSALS):
            raise error
        if isinstance(error, AccountRejected):
            raise SubmitUnknown from error
        await asyncio.sleep(error.retry_after or _PAUSE)
        return True

    async def _acquaint(self, account: Account) -> None:
        """Have the driver look at its engine, since what that can do is known only then; wait for an answer."""
        while True:
            try:
                await self._health.check(account)
            except AccountRejected as error:
                raise SubmitUnknown from error
            except EngineError as error:
                log.warning("engine does not answer", extra={"account": account.name, "code": error.code})
                await asyncio.sleep(error.retry_after or _PAUSE)
            else:
                return

    async def _found(self, task: TaskRecord, work: Work) -> TaskState | None:
        """What became of a submit without an answer; None: it was not taken, or may be made anew."""
        account = self._book.get(task.account_id)
        model = next((model for model in account.models if model.name == task.model), None)
        if work.make not in ("image", "cast") and model is not None and "list" in model.capabilities:
            return await self._lost.settle(task)
        if account.remake_lost:
            return None
        raise SubmitUnknown

    async def _send(self, driver: Driver, task: TaskRecord, work: Work, take: Take) -> TaskState:
        sending = asyncio.create_task(self._submit(driver, task, work, take), name=f"submit {task.id}")
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        return await asyncio.shield(sending)

    async def _submit(self, driver: Driver, task: TaskRecord, work: Work, take: Take) -> TaskState:
        with self._lost.flying(task):
            task.proxy = driver.client.route().name
            state = await driver.submit(msgspec.structs.replace(work, key=task.key(), model=task.model))
            faults.point("submit")
            task.submitted_at = time.time()
            if any(output.data is not None for output in state.outputs):
                await take(state)  # it exists nowhere but here: the engine could not be asked for it again
                return state
            task.engine_task = state.id
            await self._ledger.note(task)
        faults.point("record")
        return state
