"""What lies beyond this machine: proxies, engines, and what their clocks say."""

import asyncio
from collections.abc import Awaitable, Iterable

from sora2api.doctor import clock, engines, proxies
from sora2api.doctor.aside import aside
from sora2api.doctor.copy import copied
from sora2api.doctor.finding import Case, Finding, Unseen, unseen
from sora2api.doctor.plugins import discovered


async def look(case: Case) -> list[Finding]:
    try:
        registry = await aside(discovered, case)
        async with copied(case, registry) as copy:
            return await _flat((proxies.look(case, copy), engines.look(case, copy), clock.look_at_engines(copy)))
    except Unseen as error:
        return [unseen(check, error.message) for check in ("proxies", "engines", "clock")]


async def _flat(looks: Iterable[Awaitable[list[Finding]]]) -> list[Finding]:
    return [finding for found in await asyncio.gather(*looks) for finding in found]
