"""The log of requests: a queue that nobody waits for, written to the tables in batches."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from sora2api.egress.trace import Call
from sora2api.observe import cut, rows
from sora2api.observe.requests import Log, Note
from sora2api.store.database import Database

log = logging.getLogger(__name__)

_BATCH: Final = 200
_SOON: Final = 0.25
_PAUSE: Final = 1.0
_QUEUE: Final = 10_000
_QUEUE_BYTES: Final = 32 * 1024 * 1024
_FORGOTTEN: Final = 1000
_CHUNK: Final = 250
"""So many rows are removed in one transaction."""
_AT_ONCE: Final = 5.0
"""For so many seconds rows are removed while somebody waits; cleaning goes on behind that."""


class RequestLog(Log):
    """Keeps notes of requests, and the calls made for them. What it has no room for is dropped, the oldest first.

    *prompts*: whether words of prompts are kept; *lifetime* in seconds, *size* in bytes.
    """

    def __init__(self, database: Database, *, prompts: bool, lifetime: float, size: int) -> None:
        self._database = database
        self._prompts = prompts
        self._lifetime = lifetime
        self._size = size
        self._queue: deque[Note | Call] = deque()
        self._bytes = 0
        self._ended: set[str] = set()
        self._forgotten: dict[str, None] = {}
        self._dropped = 0
        self._surplus = 0
        self._unwanted = 0.0
        self._news = asyncio.Event()
        self._full = asyncio.Event()
        self._writing = asyncio.Lock()
        self.changes = 0
        """Grows as requests are written, and as jobs that they made end."""

    # What comes in: nothing here waits.

    def cut(self, body: Any) -> bytes:
        return cut.body(body, words=self._prompts)

    def add(self, note: Note) -> None:
        if note.job_id in self._forgotten:
            _scrub(note)
        self._put(note)

    def call(self, call: Call) -> None:
        """Keep a call to an engine."""
        self._put(call)

    def ended(self, job_id: str) -> None:
        """A job is over: what is known of it now goes to the request that made it."""
        self._ended.add(job_id)
        self._news.set()

    def _put(self, entry: Note | Call) -> None:
        self._queue.append(entry)
        self._bytes += _weight(entry)
        while len(self._queue) > _QUEUE or self._bytes > _QUEUE_BYTES:
            self._bytes -= _weight(self._queue.popleft())
            self._dropped += 1
        self._news.set()
        if len(self._queue) >= _BATCH:
            self._full.set()

    # What is written.

    async def run(self) -> None:
        """Write what comes in, until cancelled; what ended while nobody looked comes first."""
        async with self._database.reading() as connection:
            self._ended.update(await rows.unfinished(connection))
        while True:
            if not self._queue and not self._ended:
                await self._news.wait()
            try:
                async with asyncio.timeout(_SOON):
                    await self._full.wait()
            except TimeoutError:
                pass
            writing = asyncio.ensure_future(self._write_some())
            if not await asyncio.shield(writing):  # a stop does not tear a batch
                await asyncio.sleep(_PAUSE)

    async def flush(self) -> None:
        """Write all that has come in so far, for the last time."""
        while self._queue or self._ended:
            if not await self._write_some():
                log.error("lost from the log of requests", extra={"entries": len(self._queue)})
                return

    async def _write_some(self) -> bool:
        """Write the next batch. False: the database takes nothing at present, and the batch waits on."""
        async with self._writing:
            self._say_dropped()
            some = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            self._bytes -= sum(map(_weight, some))
            self._full.clear()
            self._news.clear()
            ended, self._ended = self._ended, set()
            if not some and not ended:
                return True
            if len(self._queue) >= _BATCH:
                self._full.set()
            notes = [entry for entry in some if isinstance(entry, Note)]
            made = [entry for entry in some if isinstance(entry, Call)]
            ended |= {note.job_id for note in notes if note.job_id is not None and note.mode is not None}
            try:
                await self._store(notes, made, ended)
            except OperationalError as error:  # full, or locked
                log.error("the log of requests cannot be written", extra={"cause": str(error.orig)})  # noqa: TRY400
                self._put_back(some, ended)
                return False
            except SQLAlchemyError:
                self._dropped += len(some)
                log.exception("dropped from the log of requests: it cannot be written")
            return True

    def _put_back(self, some: Sequence[Note | Call], ended: set[str]) -> None:
        for entry in some:
            if isinstance(entry, Note) and entry.job_id in self._forgotten:
                _scrub(entry)
        self._queue.extendleft(reversed(some))
        self._bytes += sum(map(_weight, some))
        self._ended |= ended

    async def _store(self, notes: list[Note], made: list[Call], ended: set[str]) -> None:
        batch = await asyncio.to_thread(rows.packed, notes, made, prompts=self._prompts)

        async def write(connection: Any) -> None:
            await rows.add(connection, batch)
            await rows.complete(connection, ended)

        await self._database.write(write)
        self.changes += 1

    def _say_dropped(self) -> None:
        if self._dropped:
            log.warning("dropped from the log of requests", extra={"entries": self._dropped})
            self._dropped = 0

    # What goes.

    async def forget(self, job_id: str) -> None:
        """Remove the prompt of a job and the bodies of its requests, those too that are still to be written."""
        self._forgotten[job_id] = None
        if len(self._forgotten) > _FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]
        for entry in self._queue:
            if isinstance(entry, Note) and entry.job_id == job_id:
                self._bytes -= _weight(entry)
                _scrub(entry)
                self._bytes += _weight(entry)
        async with self._writing:
            await self._database.write(lambda connection: rows.forget(connection, job_id))

    async def remove(self, *, before: float) -> int:
        """Remove what was logged before that moment; how many rows at once. Of very many the rest goes by and by."""
        self._unwanted = max(self._unwanted, before)
        end = time.monotonic() + _AT_ONCE
        removed = some = await self._remove(before, _CHUNK)
        while some and time.monotonic() < end:
            some = await self._remove(before, _CHUNK)
            removed += some
        return removed

    async def clean_up(self, *, at_most: int = _CHUNK) -> int:
        """Remove some of what is too old or too much; how many rows."""
        removed = await self._remove(max(time.time() - self._lifetime, self._unwanted), at_most)
        if removed:
            return removed
        async with self._database.reading() as connection:
            if self._surplus <= 0:
                self._surplus = await rows.surplus(connection, self._size)
            if not self._surplus:
                return 0
            moment = await rows.oldest(connection, behind=at_most)
        removed = await self._remove(moment, at_most)
        self._surplus = max(0, self._surplus - removed) if removed else 0
        return removed

    async def _remove(self, moment: float, at_most: int) -> int:
        remove: Callable[[Any], Awaitable[int]] = lambda connection: rows.remove_before(  # noqa: E731
            connection, moment, at_most=at_most
        )
        return await self._database.write(remove)


def _weight(entry: Note | Call) -> int:
    """The bytes that an entry holds in memory, but for its small parts."""
    if isinstance(entry, Call):
        return 0
    return len(entry.body or b"") + len(entry.told or b"") + len(entry.prompt or "")


def _scrub(note: Note) -> None:
    note.prompt = note.body = note.told = None
