"""All checks at once, each with its time, so that none waits for another and none is waited for without end."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from sora2api.doctor import clock, configured, database, disk, place, plugins, reached, secrets, server, versions
from sora2api.doctor.aside import aside
from sora2api.doctor.finding import Case, Finding, Unseen, unseen, warning
from sora2api.errors import Sora2ApiError
from sora2api.settings import Settings

_LONGEST: Final = 25.0

T = TypeVar("T")
Look = Callable[[Case], Awaitable[list[Finding]]]


def _blocking(look: Callable[[Case], list[Finding]]) -> Look:
    return lambda case: aside(look, case)


_LOOKS: Final[dict[str, Look]] = {
    "versions": _blocking(versions.look),
    "plugins": _blocking(plugins.look),
    "open files": _blocking(configured.look_at_limits),
    "directory": _blocking(place.look),
    "owners": _blocking(place.look_inside),
    "disk": _blocking(disk.look),
    "database": _blocking(database.look),
    "integrity": _blocking(database.look_whole),
    "secret key": _blocking(secrets.look),
    "port": server.look,
    "own clock": clock.look,
    "engines": reached.look,
}


async def examined(folder: Path, *, url: str | None = None) -> list[Finding]:
    """What is found in the data directory *folder* and around it. Changes nothing there, and raises nothing."""
    (first,) = await asyncio.gather(_timed(aside(configured.configured, folder)), return_exceptions=True)
    if isinstance(first, BaseException):
        settings, found = Settings(), [_fault("settings", first)]
    else:
        settings, found = first[0], [first[1]]
    case = Case(folder=folder, settings=settings, url=url)
    looks = (_timed(look(case)) for look in _LOOKS.values())
    for check, outcome in zip(_LOOKS, await asyncio.gather(*looks, return_exceptions=True), strict=True):
        found += [_fault(check, outcome)] if isinstance(outcome, BaseException) else outcome
    return found


async def _timed(look: Awaitable[T]) -> T:
    async with asyncio.timeout(_LONGEST):
        return await look


def _fault(check: str, error: BaseException) -> Finding:
    """What is said where a check came to no end of its own."""
    if isinstance(error, Unseen):
        return unseen(check, error.message)
    if isinstance(error, TimeoutError):
        advice = "See whether its disk and the network answer."
        return warning(check, f"This check did not end in {_LONGEST:g} s.", advice)
    # Of an error that is not foreseen only its kind is told: its words might have something secret.
    told = str(error) if isinstance(error, OSError | sqlite3.Error | Sora2ApiError) else type(error).__name__
    return warning(check, f"This check failed: {told}.", "Look at it by hand, and report that with this line.")
