"""A check to its end: with its time, so that nothing is waited for without end, and with its own faults told."""

import asyncio
import sqlite3
from collections.abc import Awaitable
from typing import Final

from sora2api.doctor.finding import Finding, Unseen, unseen, warning
from sora2api.errors import Sora2ApiError

_LONGEST: Final = 25.0


async def outcome(check: str, look: Awaitable[list[Finding]]) -> list[Finding]:
    """What *look* finds; where it comes to no end of its own, that."""
    (found,) = await asyncio.gather(_timed(look), return_exceptions=True)
    return [_fault(check, found)] if isinstance(found, BaseException) else found


async def _timed(look: Awaitable[list[Finding]]) -> list[Finding]:
    async with asyncio.timeout(_LONGEST):
        return await look


def _fault(check: str, error: BaseException) -> Finding:
    if isinstance(error, Unseen):
        return unseen(check, error.message)
    if isinstance(error, TimeoutError):
        advice = "See whether its disk and the network answer."
        return warning(check, f"This check did not end in {_LONGEST:g} s.", advice)
    # Of an error that is not foreseen only its kind is told: its words might have something secret.
    told = str(error) if isinstance(error, OSError | sqlite3.Error | Sora2ApiError) else type(error).__name__
    return warning(check, f"This check failed: {told}.", "Look at it by hand, and report that with this line.")
