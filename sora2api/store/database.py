"""The database: one writer whose waiting writes share a transaction, and a few readers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import URL, Connection, event, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sora2api.store import tables
from sora2api.supervision import failure_of

FILE: Final = "sora2api.db"
_BATCH: Final = 256
_READERS: Final = 3
_PATIENCE: Final = 4.0
"""Seconds after which a write that is only to be tried is given up."""

T = TypeVar("T")
Write = Callable[[AsyncConnection], Awaitable[T]]


class Meter(Protocol):
    """What is told of each transaction of the writer: the *writes* in it, and how long its commit took."""

    def committed(self, writes: int, seconds: float) -> None: ...
    def rolled_back(self) -> None: ...


class _Unmetered(Meter):
    """Measures nothing."""

    def committed(self, writes: int, seconds: float) -> None:
        """Nobody wants to know."""

    def rolled_back(self) -> None:
        """Nor of that."""


class _Waiting(Generic[T]):
    """A write that waits for its commit."""

    __slots__ = ("done", "write")

    def __init__(self, write: Write[T]) -> None:
        self.write = write
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()


class Database:
    """SQLite in WAL mode. `write` returns when its transaction is on disk."""

    def __init__(self, path: Path) -> None:
        self.meter: Meter = _Unmetered()
        self._writer = _engine(path, begin="BEGIN IMMEDIATE", connections=1)
        self._reader = _engine(path, begin="BEGIN", connections=_READERS)
        self._waiting: asyncio.Queue[_Waiting[Any] | None] = asyncio.Queue()
        self._closed = False
        self._committer = asyncio.create_task(self._commit(), name="committer")

    async def write(self, write: Write[T]) -> T:
        """Run *write* in a transaction that it may share with others, so it can be run twice.

        Cancelling the caller does not undo what was committed.
        """
        if self._closed:
            raise RuntimeError("the database is closed")
        waiting = _Waiting(write)
        self._waiting.put_nowait(waiting)
        return await asyncio.shield(waiting.done)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._reader.connect() as connection:
            yield connection

    async def trouble(self) -> str | None:
        """Why the database cannot be used, in one sentence; None: it was read and written just now."""
        try:
            await revision(self)
        except SQLAlchemyError:
            return "The database cannot be read."
        same = update(tables.revision).values(number=tables.revision.c.number)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.write(lambda connection: connection.execute(same))
        except SQLAlchemyError:
            return "The database cannot be written."
        except TimeoutError:
            return f"The database has taken no write for {_PATIENCE:g} s."
        return None

    def waiting(self) -> int:
        """How many writes wait for a transaction."""
        return self._waiting.qsize()

    async def close(self) -> None:
        """Commit what waits, then close."""
        self._closed = True
        self._waiting.put_nowait(None)
        await self._committer
        await self._writer.dispose()
        await self._reader.dispose()

    async def _commit(self) -> None:
        open_ = True
        while open_:
            batch = [await self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            open_ = None not in batch
            writes = [waiting for waiting in batch if waiting is not None]
            if len(writes) > 1 and await self._transact(writes, last=False):
                continue
            for waiting in writes:
                await self._transact([waiting], last=True)

    async def _transact(self, writes: Sequence[_Waiting[Any]], *, last: bool) -> bool:
        """Commit the *writes* together. False: nothing was done; their waiters hear of it only at the *last* try."""
        results: list[Any] = []

        async def transact() -> None:
            async with self._writer.begin() as connection:
                results.extend([await waiting.write(connection) for waiting in writes])
                written = time.perf_counter()
            self.meter.committed(len(writes), time.perf_counter() - written)

        failure = await failure_of(transact())  # of whatever kind: no write may end those behind it
        if failure is None:
            for waiting, result in zip(writes, results, strict=True):
                waiting.done.set_result(result)
        else:
            self.meter.rolled_back()
        if failure is not None and last:
            writes[0].done.set_exception(failure)
            writes[0].done.exception()  # its caller may be gone
        return failure is None


def _engine(path: Path, *, begin: str, connections: int) -> AsyncEngine:
    url = URL.create("sqlite+aiosqlite", database=str(path))
    engine = create_async_engine(url, pool_size=connections, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(dbapi: Any, _record: Any) -> None:
        configure(dbapi)

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def configure(dbapi: Any) -> None:
    """Set a SQLite connection up: transactions begun by us, durable commits, foreign keys."""
    dbapi.isolation_level = None
    cursor = dbapi.cursor()
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def bump(connection: AsyncConnection) -> None:
    """Tell a running server, within the same transaction, that what it holds in memory has changed."""
    await connection.execute(update(tables.revision).values(number=tables.revision.c.number + 1))


async def revision(database: Database) -> int:
    async with database.reading() as connection:
        number: int = (await connection.execute(select(tables.revision.c.number))).scalar_one()
    return number
