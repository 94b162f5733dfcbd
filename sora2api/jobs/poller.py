"""Following tasks at their engines: one poller an account.

Where the engine lists its tasks one look answers for all of them, and looks are as rare as they need calls, so that
many tasks cost no more calls than few. Elsewhere each task is asked after by itself, in turns by its age.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from typing import Final

from sora2api.accounts import Account, AccountBook, Engines
from sora2api.drivers import Driver, TaskState
from sora2api.egress.trace import counted
from sora2api.errors import (
    AccountRejected,
    ConnectFault,
    EngineBusy,
    EngineError,
    EngineFault,
    NetworkFault,
    NoEngine,
    QuotaExhausted,
    RateLimited,
)
from sora2api.jobs.spacing import Allowance, interval, off_the_beat

log = logging.getLogger(__name__)

_AT_ONCE: Final = 16
"""How many tasks of an account are asked after at the same time."""
_PATIENCE: Final = 20.0
"""Seconds that an answer about one task may take, so that it keeps nobody else waiting for long."""
_LOOK_PATIENCE: Final = 120.0
"""Seconds that a look at all tasks may take."""
_MISSES: Final = 2
"""How often in a row a task is not there before it is lost."""
_PAUSE: Final = 2.0
_WHOLE_ACCOUNT: Final = (RateLimited, QuotaExhausted, EngineBusy, AccountRejected, ConnectFault)
"""What is said of one task and holds for all of the account."""
_UNTIL_NEWS: Final = 60.0
_ANSWERED: Final = "answered"

OnProgress = Callable[[TaskState], None]


class _Followed:
    """A task, and who waits for its end. Times are those of the monotonic clock."""

    __slots__ = ("asked", "due", "end", "heard", "id", "misses", "on_progress", "since")

    def __init__(self, task: str, on_progress: OnProgress) -> None:
        self.id = task
        self.on_progress = on_progress
        self.since = self.due = time.monotonic()
        self.heard = 0.0
        self.misses = 0
        self.asked = False
        self.end: asyncio.Future[TaskState] = asyncio.get_running_loop().create_future()

    def age(self) -> float:
        return time.monotonic() - self.since

    def tell(self, state: TaskState) -> None:
        """Pass on how it stands. What is not there for the first time may be there the next."""
        self.heard = time.monotonic()
        self.misses = self.misses + 1 if state.status == "lost" else 0
        if self.end.done() or 0 < self.misses < _MISSES:
            return
        self.on_progress(state)
        if state.status in ("completed", "failed", "lost"):
            self.end.set_result(state)

    def fail(self) -> None:
        """The driver failed otherwise than its contract allows."""
        if not self.end.done():
            self.end.set_exception(EngineFault("The driver failed."))


class Pollers:
    """The pollers of all accounts. A poller runs as long as its account has tasks to follow."""

    def __init__(self, book: AccountBook, engines: Engines, *, longest: float) -> None:
        self.outcomes: Counter[str] = Counter()
        """How polls went since the start: `answered`, or the code of an error."""
        self._book = book
        self._engines = engines
        self._longest = longest
        self._pollers: dict[str, _Poller] = {}

    async def follow(self, account_id: str, task: str, on_progress: OnProgress) -> TaskState:
        """Wait until *task* is completed, failed or lost at the account's engine."""
        poller = self._pollers.get(account_id)
        if poller is None:
            poller = self._pollers[account_id] = _Poller(
                account_id, self._book, self._engines, longest=self._longest, outcomes=self.outcomes
            )
        followed = _Followed(task, on_progress)
        poller.add(followed)
        try:
            return await followed.end
        finally:
            poller.leave(followed)

    async def close(self) -> None:
        for poller in self._pollers.values():
            await poller.close()


class _Poller:
    """Polls one account's engine."""

    def __init__(
        self, account_id: str, book: AccountBook, engines: Engines, *, longest: float, outcomes: Counter[str]
    ) -> None:
        self._account_id = account_id
        self._book = book
        self._engines = engines
        self._longest = longest
        self._outcomes = outcomes
        self._followed: dict[str, _Followed] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._allowance = Allowance()
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._looked_at = 0.0
        self._cost = 0.0

    def add(self, followed: _Followed) -> None:
        self._followed[followed.id] = followed
        self._news.set()
        if self._running is None or self._running.done():
            # A context of its own: what is done for many is not done for the job that happened to begin it.
            self._running = asyncio.create_task(self._run(), name=f"poller {self._account_id}", context=Context())
            self._running.add_done_callback(self._ended)

    def leave(self, followed: _Followed) -> None:
        if self._followed.get(followed.id) is followed:
            del self._followed[followed.id]
            self._news.set()

    async def close(self) -> None:
        tasks = [task for task in (self._running, *self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while self._followed:
            self._news.clear()
            pause = await self._go_on()
            if pause > 0:
                try:
                    await asyncio.wait_for(self._news.wait(), pause)
                except TimeoutError:
                    continue

    def _ended(self, running: asyncio.Task[None]) -> None:
        error = None if running.cancelled() else running.exception()
        if error is not None:
            log.error("driver failed", exc_info=error, extra={"account": self._account_id})
            for followed in self._followed.values():
                followed.fail()

    async def _go_on(self) -> float:
        """Do what is due; how long to wait then, unless something new comes up."""
        account = self._book.get(self._account_id)
        try:
            driver = self._engines.driver(account)
        except NoEngine:
            return self._longest
        listed = any("list" in model.capabilities for model in account.models) and driver.lists()
        return await self._look(account, driver) if listed else self._ask_next(account, driver)

    # All tasks together.

    async def _look(self, account: Account, driver: Driver) -> float:
        youngest = min(followed.age() for followed in self._followed.values())
        due = self._looked_at + self._cost * interval(youngest, longest=self._longest)
        wait = max(due - time.monotonic(), self._allowance.wait())
        if wait > 0:
            return wait
        waiting = sorted(self._followed.values(), key=lambda followed: followed.heard)
        with counted() as calls:
            try:
                async with asyncio.timeout(_LOOK_PATIENCE):
                    states = await driver.poll([followed.id for followed in waiting])
            except (EngineError, TimeoutError) as error:
                self._rest(error)
            else:
                self._outcomes[_ANSWERED] += 1
                for followed in waiting:
                    if followed.id in states:
                        followed.tell(states[followed.id])
        self._looked_at = time.monotonic()
        self._cost = max(1, calls.made) * off_the_beat()
        self._allowance.spend(calls.made, calls_a_minute=account.calls_a_minute)
        return 0.0

    # Each task by itself.

    def _ask_next(self, account: Account, driver: Driver) -> float:
        """Ask after the task that is due the longest, if one is and may be."""
        idle = [followed for followed in self._followed.values() if not followed.asked]
        if not idle or len(self._asking) >= _AT_ONCE:
            return _UNTIL_NEWS
        followed = min(idle, key=lambda other: other.due)
        wait = max(followed.due - time.monotonic(), self._allowance.wait())
        if wait > 0:
            return wait
        self._allowance.spend(1, calls_a_minute=account.calls_a_minute)
        followed.asked = True
        asking = asyncio.create_task(self._ask(driver, followed), name=f"poll of {followed.id}")
        self._asking.add(asking)
        asking.add_done_callback(lambda ended: self._answered(followed, ended))
        return 0.0

    async def _ask(self, driver: Driver, followed: _Followed) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                states = await driver.poll([followed.id])
        except (EngineError, TimeoutError) as error:
            followed.due = time.monotonic() + min(self._longest, _PAUSE)
            if isinstance(error, _WHOLE_ACCOUNT):
                self._rest(error)
            else:
                self._say(error)
        else:
            self._outcomes[_ANSWERED] += 1
            followed.due = time.monotonic() + interval(followed.age(), longest=self._longest) * off_the_beat()
            if followed.id in states:
                followed.tell(states[followed.id])

    def _answered(self, followed: _Followed, asking: asyncio.Task[None]) -> None:
        self._asking.discard(asking)
        followed.asked = False
        error = None if asking.cancelled() else asking.exception()
        if error is not None:
            log.error("driver failed", exc_info=error, extra={"account": self._account_id})
            followed.fail()
        self._news.set()

    # When it goes wrong.

    def _rest(self, error: EngineError | TimeoutError) -> None:
        self._say(error)
        told = error.retry_after if isinstance(error, EngineError) else None
        self._allowance.rest(told or min(self._longest, _PAUSE))

    def _say(self, error: EngineError | TimeoutError) -> None:
        code = error.code if isinstance(error, EngineError) else NetworkFault.code
        self._outcomes[code] += 1
        log.warning("poll failed", extra={"account": self._account_id, "code": code, "tasks": len(self._followed)})
