"""Which process works which jobs: a row a worker, with a heartbeat, and its id on the jobs that it has taken up."""

import asyncio
import logging
import os
import secrets
import socket
import time
from typing import Final

from sqlalchemy import delete, insert, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.store.database import Database
from sora2api.store.tables import jobs, workers

log = logging.getLogger(__name__)

HEARTBEAT: Final = 5.0
"""Seconds between two heartbeats."""


class Worker:
    """This process, as one that works jobs. The lock on the data directory guarantees that it is the only one."""

    def __init__(self, database: Database) -> None:
        self.id = f"worker_{secrets.token_hex(12)}"
        self._database = database
        self._beating: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Claim all unfinished jobs; whoever had claimed them is dead, and its row goes."""
        now = time.time()
        own = {"id": self.id, "host": socket.gethostname()[:200], "process": os.getpid()}
        unfinished = jobs.c.status.in_(("queued", "in_progress"))

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(delete(workers))
            await connection.execute(insert(workers).values(**own, started_at=now, seen_at=now))
            await connection.execute(update(jobs).where(unfinished).values(worker=self.id))

        await self._database.write(write)
        self._beating = asyncio.create_task(self._beat(), name="heartbeat")

    async def close(self) -> None:
        """Give up what was claimed, for the next one to take up."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait((self._beating,))
        own = delete(workers).where(workers.c.id == self.id)
        await self._database.write(lambda connection: connection.execute(own))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await self._database.write(self._seen)
            except SQLAlchemyError:
                log.exception("heartbeat not written")

    async def _seen(self, connection: AsyncConnection) -> None:
        await connection.execute(update(workers).where(workers.c.id == self.id).values(seen_at=time.time()))
