"""Knowing a request again: by its `Idempotency-Key`, or as an SDK's own retry of one that was never answered."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Final

from msgspec import Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import IdempotencyConflict
from sora2api.jobs.records import encode
from sora2api.media.store import Arrival
from sora2api.modes import Request
from sora2api.store.database import Database
from sora2api.store.tables import idempotency_keys as keys
from sora2api.store.tables import jobs

_REMEMBERED: Final = 24 * 3600.0
_RETRIED_WITHIN: Final = 600.0


class Once(Struct, frozen=True, kw_only=True):
    """What a request says of being sent again: its *key*, and whether an SDK says that it is a *retry*."""

    key: str | None = None
    retry: bool = False


def digest(request: Request, arrivals: Collection[Arrival]) -> str:
    """The same for the same request with the same files, however they were sent."""
    text = encode(request).decode()
    for arrival in arrivals:
        text = text.replace(arrival.media.asset, arrival.sha256)
    return sha256(text.encode()).hexdigest()


class Requests:
    """Which requests were there before, and which of them are answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attended: set[str] = set()
        self._answered: set[str] = set()

    @contextmanager
    def answering(self, job_id: str) -> Iterator[None]:
        """While the reply to a job's request is written; when it is left without an error, that is done."""
        self._attended.add(job_id)
        try:
            yield
            self._answered.add(job_id)
        finally:
            self._attended.discard(job_id)

    async def before(self, once: Once, *, owner: str, digest: str) -> str | None:
        """The job that this request made before. Raises `IdempotencyConflict` when its key stood for another."""
        if once.key is not None:
            async with self._database.reading() as connection:
                return await known(connection, owner=owner, key=once.key, digest=digest)
        if once.retry:
            return await self._retried(owner=owner, digest=digest)
        return None

    async def _retried(self, *, owner: str, digest: str) -> str | None:
        """A job made by an equal request that was never answered; each is found once."""
        unanswered = (
            select(jobs.c.id)
            .where(jobs.c.owner == owner, jobs.c.digest == digest, ~jobs.c.answered)
            .where(jobs.c.created_at > time.time() - _RETRIED_WITHIN)
            .order_by(jobs.c.created_at)
        )

        async def write(connection: AsyncConnection) -> str | None:
            found = (await connection.execute(unanswered)).scalars().all()
            job_id = next((job_id for job_id in found if job_id not in self._attended | self._answered), None)
            if job_id is not None:
                await connection.execute(update(jobs).where(jobs.c.id == job_id).values(answered=True))
            return job_id

        return await self._database.write(write)

    async def note(self) -> None:
        """Write down which requests have been answered, and forget keys that are old."""
        answered, self._answered = self._answered, set()

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(update(jobs).where(jobs.c.id.in_(answered)).values(answered=True))

        if answered:
            await self._database.write(write)

    async def forget(self) -> None:
        """Forget keys that are old."""
        old = delete(keys).where(keys.c.created_at < time.time() - _REMEMBERED)
        await self._database.write(lambda connection: connection.execute(old))


async def known(connection: AsyncConnection, *, owner: str, key: str, digest: str) -> str | None:
    """The job that an owner's *key* stands for. Raises `IdempotencyConflict` when that was another request."""
    wanted = select(keys).where(keys.c.owner == owner, keys.c.key == key)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None or row.created_at < time.time() - _REMEMBERED:
        return None
    if row.digest != digest:
        raise IdempotencyConflict
    job_id: str = row.job_id
    return job_id


async def remember(connection: AsyncConnection, *, owner: str, key: str, digest: str, job_id: str) -> None:
    """Let the *key* stand for the job, within the transaction that makes it."""
    await connection.execute(delete(keys).where(keys.c.owner == owner, keys.c.key == key))
    await connection.execute(
        insert(keys).values(owner=owner, key=key, digest=digest, job_id=job_id, created_at=time.time())
    )
