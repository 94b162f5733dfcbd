"""All checks, at once, so that none waits for another."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from sora2api.doctor import clock, configured, database, disk, place, plugins, reached, secrets, server, versions
from sora2api.doctor.aside import aside
from sora2api.doctor.finding import Case, Finding
from sora2api.doctor.outcome import outcome
from sora2api.settings import Settings

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
    settings = Settings()

    async def configuration() -> list[Finding]:
        nonlocal settings
        settings, finding = await aside(configured.configured, folder)
        return [finding]

    found = await outcome("settings", configuration())
    case = Case(folder=folder, settings=settings, url=url)
    for more in await asyncio.gather(*(outcome(check, look(case)) for check, look in _LOOKS.items())):
        found += more
    return found
