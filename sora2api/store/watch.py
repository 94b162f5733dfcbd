"""Noticing what another process has changed: a look at the revision each second."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError

from sora2api.errors import Sora2ApiError
from sora2api.store.database import Database, revision
from sora2api.supervision import keep_at

Reload = Callable[[], Awaitable[None]]

INTERVAL: Final = 1.0

_log = logging.getLogger(__name__)


class RevisionWatch:
    """Calls what was registered when the revision has changed, while its context is open.

    The first look always counts as a change: what happened between a load and the start of the watch is not missed.
    """

    def __init__(self, database: Database, *, interval: float = INTERVAL) -> None:
        self._database = database
        self._interval = interval
        self._reloads: list[Reload] = []
        self._seen: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    def register(self, reload: Reload) -> None:
        """Have *reload* called after a change; those registered are called one after another, in this order."""
        self._reloads.append(reload)

    async def look(self, *, anyway: bool = False) -> None:
        """Look once; *anyway*: reload though nothing has changed.

        A reload that fails leaves the change unseen, so that the next look does it again.
        """
        async with self._looking:
            found = await revision(self._database)
            if found == self._seen and not anyway:
                return
            for reload in self._reloads:
                await reload()
            self._seen = found

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(keep_at(self._run, name="revision watch"), name="revision watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, Sora2ApiError) as error:
                _log.warning("Changes could not be read; looking again in %g s: %s", self._interval, error)
            await asyncio.sleep(self._interval)
