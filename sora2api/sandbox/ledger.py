"""Remembers what was accepted, in one SQLite file: tasks, characters, idempotent picture requests, counters."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import aiosqlite

from sora2api.errors import Sora2ApiError

Kind = Literal["task", "character", "request"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    UNIQUE (kind, name)
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
_COUNT = """
INSERT INTO counters (name, count) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count
"""
_KEEP = """
INSERT INTO things (kind, name, body) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body
"""
CREATES = "creates"
FLUSH_EVERY = 0.25
"""How often counters that nobody waits for are written, in seconds."""


class LedgerDamaged(Sora2ApiError):
    """The sandbox's database cannot be used."""


class Ledger:
    """What is told to it is on the disk when the call returns, so that kill -9 loses nothing.

    Counters but `creates` are written a moment later, together.
    """

    def __init__(self, connection: aiosqlite.Connection, counters: Counter[str]) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self._counters = counters
        self._unwritten: Counter[str] = Counter()
        self._writing: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """The ledger in the file *path*, made if need be. Raises LedgerDamaged."""
        connection = await aiosqlite.connect(path, isolation_level=None)
        try:
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.executescript(_SCHEMA)
            rows = await connection.execute_fetchall("SELECT name, count FROM counters")
        except sqlite3.Error as error:
            await connection.close()
            raise LedgerDamaged(f"The sandbox's database {path} cannot be used: {error}.") from error
        return cls(connection, Counter({str(name): int(count) for name, count in rows}))

    async def close(self) -> None:
        await self.flush()
        await asyncio.gather(*self._writing, return_exceptions=True)  # those too whose callers were cancelled
        await self._connection.close()

    async def all(self, kind: Kind) -> dict[str, bytes]:
        """Everything of *kind* by name, in the order of its acceptance."""
        query = "SELECT name, body FROM things WHERE kind = ? ORDER BY number"
        return {str(name): bytes(body) for name, body in await self._connection.execute_fetchall(query, (kind,))}

    async def accept(self, kind: Kind, name: str, body: bytes) -> None:
        """Keeps something new that counts as a create, both or neither."""
        await self._write((_KEEP, (kind, name, body)), (_COUNT, (CREATES, 1)))
        self._counters[CREATES] += 1

    async def count_create(self) -> None:
        """Counts a create of which nothing need be kept."""
        await self._write((_COUNT, (CREATES, 1)))
        self._counters[CREATES] += 1

    async def keep(self, kind: Kind, name: str, body: bytes) -> None:
        """Keeps something, in place of what had that name."""
        await self._write((_KEEP, (kind, name, body)))

    async def drop(self, kind: Kind, name: str) -> None:
        await self._write(("DELETE FROM things WHERE kind = ? AND name = ?", (kind, name)))

    def count(self, name: str) -> None:
        self._counters[name] += 1
        self._unwritten[name] += 1

    def counters(self) -> Mapping[str, int]:
        return self._counters

    async def flush(self) -> None:
        """Writes the counters that are not written yet."""
        if self._unwritten:
            counts, self._unwritten = self._unwritten, Counter()
            await self._write(*((_COUNT, item) for item in counts.items()))

    async def flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await self.flush()

    async def _write(self, *statements: tuple[str, Sequence[str | bytes | int]]) -> None:
        """All of it or nothing, and to its end even if the caller is cancelled."""
        writing = asyncio.create_task(self._transact(statements))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        await asyncio.shield(writing)

    async def _transact(self, statements: Iterable[tuple[str, Sequence[str | bytes | int]]]) -> None:
        async with self._turn:
            await self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in statements:
                    await self._connection.execute(statement, values)
                await self._connection.execute("COMMIT")
            except sqlite3.Error:
                await self._connection.execute("ROLLBACK")
                raise
