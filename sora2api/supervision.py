"""Work that goes on beside the rest until it is cancelled, whatever goes wrong in it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

_PAUSE: Final = 1.0

log = logging.getLogger(__name__)


async def failure_of(work: Awaitable[object]) -> BaseException | None:
    """Do *work* to its end; what it failed with, if it did. Cancelling this cancels the work, and waits for it."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait((working,))
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.wait((working,))
        raise
    return asyncio.CancelledError() if working.cancelled() else working.exception()


async def keep_at(work: Callable[[], Awaitable[None]], *, name: str) -> NoReturn:
    """Do *work*, which has no end, until cancelled; when it is broken off, that is said and it begins anew."""
    while True:
        log.error("broken off", exc_info=await failure_of(work()), extra={"work": name})
        await asyncio.sleep(_PAUSE)
