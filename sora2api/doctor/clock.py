"""The clock: whether it goes steadily, is later than what was written by it, and agrees with those of engines."""

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from sora2api.accounts.clock import WallClock
from sora2api.doctor.aside import aside
from sora2api.doctor.copy import PATIENCE, Copy
from sora2api.doctor.finding import Case, Finding, warning, well, wrong
from sora2api.egress.client import engine_faults
from sora2api.errors import EngineError
from sora2api.store.database import FILE

_ALLOWANCE: Final = 30.0
"""Seconds that clocks may be apart."""
_FUTURE: Final = 300.0
_MEANWHILE: Final = 1.0
_SET: Final = "Set the clock and keep it right: `timedatectl set-ntp true`, or chrony."


async def look(case: Case) -> list[Finding]:
    clock = WallClock()
    await asyncio.sleep(_MEANWHILE)  # what is watched is what the clock does meanwhile
    if moved := clock.moved():
        return [wrong("own clock", f"This machine's clock was just set by {moved:+.0f} s.", _SET)]
    ahead = await aside(_written_ahead, case)
    if ahead > _FUTURE:
        return [wrong("own clock", f"The database was written {ahead:.0f} s after what the clock shows now.", _SET)]
    return [well("own clock", "It goes steadily.")]


def _written_ahead(case: Case) -> float:
    try:
        return (case.folder / FILE).stat().st_mtime - time.time()
    except OSError:
        return 0.0


async def look_at_engines(copy: Copy) -> list[Finding]:
    """Compare with the `Date` of each engine's answers (RFC 9110, 6.6.1), whatever else those say."""
    one_each = {URL(account.base_url).origin(): account.id for account in copy.used}
    asked = [account for account in copy.used if account.id in one_each.values()]
    apart = await asyncio.gather(*(_apart(copy, URL(each.base_url), each.proxy, whose=each.id) for each in asked))
    told = {account.name: seconds for account, seconds in zip(asked, apart, strict=True) if seconds is not None}
    if not told:
        return [well("clock", "There is no engine's to compare with.")]
    off = {name: seconds for name, seconds in told.items() if abs(seconds) > _ALLOWANCE}
    if not off:
        return [well("clock", f"It agrees with those of {len(told)} engines to {_ALLOWANCE:g} s.")]
    return [_off(off, all_=len(off) == len(told))]


def _off(off: dict[str, float], *, all_: bool) -> Finding:
    name, seconds = max(off.items(), key=lambda item: abs(item[1]))
    more = f", and others' ({len(off) - 1})" if len(off) > 1 else ""
    said = f"It is {abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} that of {name}'s engine{more}."
    if all_:
        return wrong("clock", said, f"{_SET} If this one is right, the engine's has to be set.")
    advice = "Tell whoever runs that engine: lost answers are looked for by its clock."
    return warning("clock", f"{said} Other engines agree.", advice)


async def _apart(copy: Copy, base: URL, proxy: str | None, *, whose: str) -> float | None:
    """By how many seconds the engine's clock is ahead; None where it does not say. Goes without the token."""
    began = time.time()
    try:
        with engine_faults(), copy.sessions.use(copy.proxies.route(proxy, whose=whose).url) as session:
            timeout = aiohttp.ClientTimeout(total=PATIENCE)
            async with session.get(base.with_user(None), timeout=timeout, allow_redirects=False) as reply:
                said = reply.headers.get("Date", "")
        return parsedate_to_datetime(said).timestamp() - (began + time.time()) / 2
    except (EngineError, ValueError):
        return None
