"""A daily quota is counted from the tasks, survives a restart, and begins anew at midnight (UTC)."""

import asyncio
import time

import pytest
from sqlalchemy import insert

from sora2api.accounts import Need, Pool
from sora2api.accounts.daily import DAY, DailyUse, midnight
from sora2api.store.tables import tasks

VIDEO = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))
IMAGE = Need(model="sora-image", slot="image", capabilities=frozenset({"image"}))


async def lease(pool, task, need=VIDEO):
    return await asyncio.wait_for(pool.lease(need, task=task, owner="a", admitted=0.0), 1)


async def refused(pool, need=VIDEO):
    waiting = asyncio.ensure_future(pool.lease(need, task="refused", owner="a", admitted=0.0))
    await asyncio.wait((waiting,), timeout=0.01)
    waiting.cancel()
    return not waiting.done()


async def write(accounts, account, number, **times):
    """A task that an engine once had."""
    row = {"job_id": f"job {number}", "step": "clip", "attempt": 1, "slot": "video", "make": "clip", "model": "wan"}
    row |= {"id": f"task {number}", "account_id": account.id, "parameters": b"{}", "intended_at": time.time()}

    async def put(connection):
        await connection.execute(insert(tasks).values(**(row | times)))

    await accounts.database.write(put)


async def test_a_used_up_quota_closes_one_kind_of_slot_until_midnight(accounts):
    account = await accounts.add("box", slots=9, daily_videos=2)
    for number in range(2):
        await lease(accounts.pool, f"video {number}")
        accounts.pool.release(f"video {number}")

    assert await refused(accounts.pool)
    closed = accounts.pool.standing.closed(account, "video")
    assert (closed.code, closed.until, closed.daily) == ("quota_exhausted", midnight(), True)
    assert (await lease(accounts.pool, "image", IMAGE)).account.name == "box"


async def test_a_task_that_no_engine_took_costs_no_quota(accounts):
    await accounts.add("box", daily_videos=1)
    for number in range(5):
        await lease(accounts.pool, str(number))
        accounts.pool.release(str(number), made=False)
    await lease(accounts.pool, "made")
    accounts.pool.release("made")
    assert await refused(accounts.pool)


async def test_what_was_made_today_is_known_after_a_restart(accounts):
    account = await accounts.add("box", slots=9, daily_videos=4)
    now = time.time()
    await write(accounts, account, 1, submitted_at=now, ended_at=now)
    await write(accounts, account, 2, submitted_at=now)
    await write(accounts, account, 3, submitted_at=now - DAY, ended_at=now)
    await write(accounts, account, 4, ended_at=now)
    daily = DailyUse()
    await daily.load(accounts.database)
    pool = Pool(accounts.book, accounts.engines, sandbox=False, strategy="least_busy", daily=daily)

    assert daily.used(account.id, "video") == 2
    await lease(pool, "third")
    await lease(pool, "fourth")
    assert await refused(pool)


async def test_a_quota_begins_anew_with_the_day(accounts, monkeypatch):
    account = await accounts.add("box", slots=9, daily_videos=1)
    await lease(accounts.pool, "yesterday's")
    assert await refused(accounts.pool)

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + DAY)

    await lease(accounts.pool, "today's")
    accounts.pool.release("yesterday's", made=False)
    assert accounts.pool.standing.daily.used(account.id, "video") == 1


@pytest.mark.parametrize("more", [1, None])
async def test_a_larger_quota_lets_those_who_wait_go_on(accounts, more):
    account = await accounts.add("box", daily_videos=0)
    waiting = asyncio.ensure_future(lease(accounts.pool, "task"))
    await asyncio.wait((waiting,), timeout=0.01)
    assert not waiting.done()
    await accounts.book.change(account.id, daily_videos=more)
    assert (await waiting).account.id == account.id
