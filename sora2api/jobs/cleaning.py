"""Removing what has had its time, a little at once: jobs that are over for long, and files that have expired."""

import time
from collections.abc import Collection
from typing import Final

from sqlalchemy import select

from sora2api.jobs.ledger import Ledger
from sora2api.media.store import MediaStore
from sora2api.store.database import Database
from sora2api.store.tables import assets, jobs

_FILES_AT_ONCE: Final = 200
_JOBS_AT_ONCE: Final = 50


class Cleaner:
    """Removes jobs *job_lifetime* seconds after their end, with all that is theirs; characters stay."""

    def __init__(self, database: Database, store: MediaStore, ledger: Ledger, *, job_lifetime: float) -> None:
        self._database = database
        self._store = store
        self._ledger = ledger
        self._job_lifetime = job_lifetime

    async def files(self, *, in_use: Collection[str]) -> int:
        """Remove some files that have expired, but for the assets *in_use*; how many. Their jobs stay without them."""
        expired = select(assets.c.id).where(assets.c.expires_at < time.time()).where(assets.c.id.not_in(in_use))
        async with self._database.reading() as connection:
            removable = (await connection.execute(expired.limit(_FILES_AT_ONCE))).scalars().all()
        if removable:
            await self._store.remove(assets.c.id.in_(removable))
        return len(removable)

    async def jobs(self, *, in_use: Collection[str]) -> Collection[str]:
        """Remove some jobs that are over for long, but for those with assets *in_use*; their ids."""
        needed = select(assets.c.job_id).where(assets.c.id.in_(in_use), assets.c.job_id.is_not(None))
        old = select(jobs.c.id).where(jobs.c.completed_at < time.time() - self._job_lifetime)
        old = old.where(jobs.c.id.not_in(needed)).order_by(jobs.c.completed_at).limit(_JOBS_AT_ONCE)
        async with self._database.reading() as connection:
            removable = (await connection.execute(old)).scalars().all()
        if removable:
            await self._store.remove(assets.c.job_id.in_(removable) & (assets.c.role != "character"))
            await self._ledger.delete(removable)
        return removable
