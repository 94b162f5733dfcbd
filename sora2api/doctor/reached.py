"""What lies beyond this machine: proxies, engines, and what their clocks say."""

import asyncio

from sora2api.doctor import clock, engines, proxies
from sora2api.doctor.aside import aside
from sora2api.doctor.copy import copied
from sora2api.doctor.finding import Case, Finding, Unseen, unseen
from sora2api.doctor.outcome import outcome
from sora2api.doctor.plugins import discovered


async def look(case: Case) -> list[Finding]:
    try:
        registry = await aside(discovered, case)
        async with copied(case, registry) as copy:
            found = await asyncio.gather(
                outcome("proxies", proxies.look(case, copy)),
                outcome("engines", engines.look(case, copy)),
                outcome("clock", clock.look_at_engines(copy)),
            )
    except Unseen as error:
        return [unseen(check, error.message) for check in ("proxies", "engines", "clock")]
    return [finding for each in found for finding in each]
