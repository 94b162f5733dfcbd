"""Following tasks at their engines: one poller an account, all its tasks in as few calls as the driver needs."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from sora2api.accounts import AccountBook, Engines
from sora2api.drivers import TaskState
from sora2api.errors import EngineError, EngineFault, NoEngine

log = logging.getLogger(__name__)

_SHORTEST: Final = 0.2
_OF_ITS_AGE: Final = 0.08

OnProgress = Callable[[TaskState], None]


class _Followed:
    __slots__ = ("end", "on_progress", "since")

    def __init__(self, on_progress: OnProgress) -> None:
        self.on_progress = on_progress
        self.since = time.monotonic()
        self.end: asyncio.Future[TaskState] = asyncio.get_running_loop().create_future()


class Pollers:
    """The pollers of all accounts. A poller runs as long as its account has tasks to follow."""

    def __init__(self, book: AccountBook, engines: Engines, *, longest: float) -> None:
        self._book = book
        self._engines = engines
        self._longest = longest
        self._followed: dict[str, dict[str, _Followed]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}

    async def follow(self, account_id: str, task: str, on_progress: OnProgress) -> TaskState:
        """Wait until *task* is completed, failed or lost at the account's engine."""
        followed = _Followed(on_progress)
        self._followed.setdefault(account_id, {})[task] = followed
        self._news.setdefault(account_id, asyncio.Event()).set()
        if account_id not in self._running:
            poller = asyncio.create_task(self._poll(account_id), name=f"poller {account_id}")
            poller.add_done_callback(lambda ended: self._broken(account_id, ended))
            self._running[account_id] = poller
        try:
            return await followed.end
        finally:
            self._followed[account_id].pop(task, None)

    async def close(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _poll(self, account_id: str) -> None:
        news = self._news[account_id]
        try:
            while followed := self._followed[account_id]:
                news.clear()
                pause = await self._look(account_id, dict(followed))
                await _pause(max(pause, self._interval(followed)), news=None if pause else news)
        finally:
            del self._running[account_id]

    def _broken(self, account_id: str, poller: asyncio.Task[None]) -> None:
        """A driver that fails otherwise than its contract allows fails those who wait, instead of keeping them."""
        error = None if poller.cancelled() else poller.exception()
        if error is not None:
            log.error("driver failed", exc_info=error, extra={"account": account_id})
            for followed in self._followed[account_id].values():
                if not followed.end.done():
                    followed.end.set_exception(EngineFault("The driver failed."))

    def _interval(self, followed: dict[str, _Followed]) -> float:
        """Young tasks are looked at often, old ones less."""
        youngest = max((task.since for task in followed.values()), default=0.0)
        return min(self._longest, max(_SHORTEST, (time.monotonic() - youngest) * _OF_ITS_AGE))

    async def _look(self, account_id: str, followed: dict[str, _Followed]) -> float:
        """One look at all tasks; how long to rest when the engine did not answer well."""
        try:
            states = await self._engines.driver(self._book.get(account_id)).poll(tuple(followed))
        except NoEngine:
            return self._longest
        except EngineError as error:
            log.warning("poll failed", extra={"account": account_id, "code": error.code, "tasks": len(followed)})
            return error.retry_after or min(self._longest, 2.0)
        for task, state in states.items():
            if task in followed:
                _tell(followed[task], state)
        return 0.0


def _tell(followed: _Followed, state: TaskState) -> None:
    if followed.end.done():
        return
    followed.on_progress(state)
    if state.status in ("completed", "failed", "lost"):
        followed.end.set_result(state)


async def _pause(seconds: float, *, news: asyncio.Event | None) -> None:
    """Sleep; a task that is new since the last look may shorten it to the shortest."""
    if news is None:
        await asyncio.sleep(seconds)
        return
    await asyncio.sleep(min(seconds, _SHORTEST))
    rest = seconds - _SHORTEST
    if rest > 0:
        try:
            await asyncio.wait_for(news.wait(), rest)
        except TimeoutError:
            return
