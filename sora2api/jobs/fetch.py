"""Bringing what a task made into the store: fetched, examined, kept, written down."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from sora2api.accounts import AccountBook, Engines, Health, Pool
from sora2api.drivers import Remote, TaskState
from sora2api.errors import (
    AccountRejected,
    EngineError,
    EngineFault,
    InvalidImage,
    InvalidVideo,
    NetworkFault,
    TaskLost,
)
from sora2api.jobs import faults
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.records import TaskRecord
from sora2api.media.store import Arrival, MediaStore, receive
from sora2api.modes import Result

log = logging.getLogger(__name__)

_TRIES: Final = 6
_LONGEST_PAUSE: Final = 30.0


class Fetches:
    """Fetches. *file_size* bounds each file, in bytes."""

    def __init__(
        self,
        *,
        book: AccountBook,
        engines: Engines,
        health: Health,
        pool: Pool,
        ledger: Ledger,
        store: MediaStore,
        file_size: int,
    ) -> None:
        self._book = book
        self._engines = engines
        self._health = health
        self._pool = pool
        self._ledger = ledger
        self._store = store
        self._file_size = file_size

    async def bring(self, task: TaskRecord, state: TaskState, *, owner: str) -> None:
        """Fetch, keep and write down what a completed task made, and free its slot."""
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
                task.result = Result(media=tuple(arrival.media for arrival in arrivals), value=value)
                task.ended_at = time.time()
                try:
                    await self._ledger.done(task, arrivals, owner=owner)
                except SQLAlchemyError:
                    task.result = task.ended_at = None  # it has not ended before that is written
                    raise
                finally:
                    if task.ended_at is not None:
                        self._pool.release(task.id)

    async def _fetch(self, task: TaskRecord, state: TaskState, output: Remote, target: Path) -> Arrival:
        """One file. A transfer that breaks goes on where it broke; a file that is damaged is fetched anew.

        While the engine does not let the account in, it waits: what is made, and maybe paid for, is not given up as
        long as the token may be mended. The job's deadline bounds that.
        """
        tries = 1 if output.data is not None else _TRIES
        length = attempt = refusals = 0
        while True:
            driver = self._engines.driver(self._book.get(task.account_id))
            try:
                chunks = driver.fetch(state, output, offset=length)
                await receive(chunks, target, limit=self._file_size, begin=length)
                return await self._store.examine(target, expect=task.slot)
            except TaskLost:
                raise
            except AccountRejected as error:
                await self._health.note(task.account_id, error, model=task.model)
                log.warning("fetch not allowed", extra={"task": task.id, "code": error.code})
                await asyncio.sleep(min(_LONGEST_PAUSE, 0.5 * 2**refusals))
                refusals += 1
            except (EngineError, InvalidImage, InvalidVideo) as error:
                attempt += 1
                log.warning("fetch broke", extra={"task": task.id, "code": error.code, "attempt": attempt})
                if attempt == tries:
                    raise EngineFault("What the engine made could not be fetched whole.") from error
                length = await asyncio.to_thread(_length, target) if isinstance(error, NetworkFault) else 0
                await asyncio.sleep(error.retry_after or min(_LONGEST_PAUSE, 0.25 * 2**attempt))


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
