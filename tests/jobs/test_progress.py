"""How far jobs are is written down for many at once, and never falls."""

import msgspec
from jobs.test_lost import ledger_of
from jobs.test_pace import job

from sora2api.jobs.ledger import Numbered
from sora2api.modes import Accepted


async def test_each_job_gets_its_own_progress_and_keeps_what_was_higher(accounts):
    ledger = ledger_of(accounts)
    for number in range(3):
        record = msgspec.structs.replace(job(5, status="in_progress"), id=f"video_{number}", progress=10 * number)
        await ledger.create(record, (), Numbered(number=1, at=1000.0, event=Accepted()), key=None)

    await ledger.progress({"video_0": 7, "video_1": 50, "video_2": 19, "gone": 3})

    assert [(await ledger.get(f"video_{number}")).progress for number in range(3)] == [7, 50, 20]
