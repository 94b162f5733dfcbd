"""Submits whose answer was lost: looked for in the engine's own list, and never sent twice in silence."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from sora2api.accounts import AccountBook, Engines
from sora2api.drivers import Seen, TaskState
from sora2api.errors import EngineError, SubmitUnknown
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.records import Parameters, TaskRecord

log = logging.getLogger(__name__)

_CLOCKS_APART: Final = 5.0
_SET_BACK: Final = 86400.0
_ROUNDED_UP: Final = 1.0
_LENGTHS_APART: Final = 0.06


class LostSubmits:
    """Finds out what became of submits, those with the same parameters together: one may be taken for another."""

    def __init__(self, book: AccountBook, engines: Engines, ledger: Ledger, *, interval: float) -> None:
        self._book = book
        self._engines = engines
        self._ledger = ledger
        self._interval = interval
        self._flying: dict[str, asyncio.Event] = {}
        self._looking: dict[str, asyncio.Lock] = {}

    @contextmanager
    def flying(self, task: TaskRecord) -> Iterator[None]:
        """While a submit's answer is still awaited; nobody takes the engine's task for another's meanwhile."""
        landed = self._flying[task.id] = asyncio.Event()
        try:
            yield
        finally:
            del self._flying[task.id]
            landed.set()

    async def settle(self, task: TaskRecord) -> TaskState | None:
        """The engine's task that *task* became, written down; or None when the engine did not take it.

        Raises `SubmitUnknown` where that cannot be told. An engine that does not answer is waited for.
        """
        found = await self._look(task)
        if found is None:
            await asyncio.sleep(self._interval)
            found = await self._look(task)
        log.info("answer looked for", extra={"task": task.id, "engine_task": found.id if found else "not taken"})
        return found

    async def _look(self, task: TaskRecord) -> TaskState | None:
        """One look: this task's share of what the list shows."""
        async with self._looking.setdefault(task.account_id, asyncio.Lock()):
            while True:
                alike = await self._ledger.unanswered(task.account_id, task.parameters)
                if task.id not in [other.id for other in alike]:
                    return None
                for other in alike:
                    await self.landed(other)
                since = _since(alike)
                listed = await self._recent(task.account_id, since)
                now_alike = await self._ledger.unanswered(task.account_id, task.parameters)
                if [other.id for other in now_alike] == [other.id for other in alike]:
                    return await self._share(task, alike, listed, since)

    async def _share(
        self, task: TaskRecord, alike: Sequence[TaskRecord], listed: Sequence[TaskState], since: float
    ) -> TaskState | None:
        owned = await self._ledger.owned(task.account_id, [state.id for state in listed])
        matches = [
            (state.seen.created_at, state)
            for state in listed
            if state.id not in owned and state.seen is not None and _matches(state.seen, task.parameters, since)
        ]
        if len(matches) > len(alike):
            raise SubmitUnknown("The engine shows more tasks like this one than were sent to it by this server.")
        if matches and len({other.parameters.beside for other in alike}) > 1:
            raise SubmitUnknown("The engine shows tasks like this one, and does not tell which is which.")
        place = [other.id for other in alike].index(task.id)
        if place >= len(matches):
            return None
        _, found = sorted(matches, key=lambda match: match[0])[place]
        task.engine_task = found.id
        task.submitted_at = time.time()
        await self._ledger.note(task)
        return found

    async def landed(self, task: TaskRecord) -> None:
        """Wait until the task's submit is answered, or broken."""
        landed = self._flying.get(task.id)
        if landed is not None:
            await landed.wait()

    async def _recent(self, account_id: str, since: float) -> Sequence[TaskState]:
        """The engine's list; as long as the engine does not answer, ask again."""
        while True:
            try:
                driver = self._engines.driver(self._book.get(account_id))
                return await driver.recent(since=datetime.fromtimestamp(since, UTC))
            except EngineError as error:
                log.warning("look-up failed", extra={"account": account_id, "code": error.code})
                await asyncio.sleep(error.retry_after or 1.0)


def _since(alike: Sequence[TaskRecord]) -> float:
    """From when on the engine may have taken them. A clock that was set back does not say how long ago that was."""
    earliest, now = min(task.intended_at for task in alike), time.time()
    return (earliest if earliest <= now else now - _SET_BACK) - _CLOCKS_APART


def _matches(seen: Seen, parameters: Parameters, since: float) -> bool:
    """Whether a listed task can be one of these *parameters*; what the list does not tell is no difference."""
    if seen.created_at.timestamp() < since or seen.source not in (None, parameters.source):
        return False  # of what is no remix, many an engine does not tell the source
    if not _alike(seen.prompt, parameters.prompt) or not _alike(seen.size, parameters.size):
        return False
    if seen.seconds is None or parameters.seconds is None:
        return True
    return -_LENGTHS_APART < seen.seconds - parameters.seconds < _ROUNDED_UP


def _alike(seen: str | None, sent: str | None) -> bool:
    return seen is None or sent is None or seen == sent
