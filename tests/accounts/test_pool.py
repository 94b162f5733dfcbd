"""Slots are never given twice, never leak, and are given fairly."""

import asyncio
import random
import time
from collections import Counter

import pytest

from sora2api.accounts import Need
from sora2api.errors import InvalidValue, NoEngine

NEED = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))
IMAGE = Need(model="sora-image", slot="image", capabilities=frozenset({"image"}))


async def lease(accounts, task, *, owner="a", admitted=0.0, need=NEED):
    return await accounts.pool.lease(need, task=task, owner=owner, admitted=admitted)


async def waiting(accounts, task, **more):
    """A lease that somebody waits for."""
    leased = asyncio.ensure_future(lease(accounts, task, **more))
    await asyncio.wait((leased,), timeout=0.01)
    return leased


async def test_64_workers_never_hold_more_slots_than_there_are_in_10000_leases(accounts):
    slots = {}
    for number in (1, 2, 4):
        account = await accounts.add(f"box {number}", image_slots=number, video_slots=5 - number)
        slots |= {(account.id, "image"): number, (account.id, "video"): 5 - number}
    held = Counter()
    most = Counter()

    async def work(worker: int) -> None:
        need = (NEED, IMAGE)[worker % 2]
        for turn in range(157):
            task = f"{worker}.{turn}"
            account = (await lease(accounts, task, owner=f"key {worker % 5}", need=need)).account.id
            held[account, need.slot] += 1
            most[account, need.slot] = max(most[account, need.slot], held[account, need.slot])
            await asyncio.sleep(0)
            held[account, need.slot] -= 1
            accounts.pool.release(task)

    await asyncio.gather(*(work(worker) for worker in range(64)))

    assert most == slots
    assert not any(accounts.pool.in_use(*slot) for slot in slots)


async def test_one_job_behind_500_of_another_key_starts_with_the_next_free_slot(accounts):
    await accounts.add("box")
    await lease(accounts, "first", owner="busy")
    crowd = [asyncio.ensure_future(lease(accounts, f"busy {n}", owner="busy")) for n in range(500)]
    other = await waiting(accounts, "other", owner="other", admitted=time.time())

    accounts.pool.release("first")

    assert (await asyncio.wait_for(other, 1)).account.name == "box"
    assert not any(leased.done() for leased in crowd)
    for leased in crowd:
        leased.cancel()


async def test_of_one_key_the_job_admitted_first_goes_first(accounts):
    await accounts.add("box")
    await lease(accounts, "first")
    late = await waiting(accounts, "late", admitted=5.0)
    early = await waiting(accounts, "early", admitted=1.0)

    accounts.pool.release("first")

    await asyncio.wait_for(early, 1)
    assert not late.done()
    late.cancel()


async def test_one_who_cannot_be_served_is_passed_over(accounts):
    account = await accounts.add("box")
    await lease(accounts, "video")
    stuck = await waiting(accounts, "stuck")

    assert (await asyncio.wait_for(lease(accounts, "image", admitted=9.0, need=IMAGE), 1)).account == account
    stuck.cancel()


async def test_a_slot_given_back_twice_is_one_slot(accounts):
    account = await accounts.add("box")
    await lease(accounts, "task")
    accounts.pool.release("task")
    accounts.pool.release("task")

    await lease(accounts, "next")

    second = await waiting(accounts, "one too many")
    assert not second.done()
    assert accounts.pool.in_use(account.id, "video") == 1
    second.cancel()


async def test_cancels_at_random_moments_leave_no_slot_held(accounts):
    account = await accounts.add("box", slots=3)

    async def hold(task: str) -> None:
        await lease(accounts, task)
        try:
            await asyncio.sleep(0.001)
        finally:
            accounts.pool.release(task)

    holding = [asyncio.ensure_future(hold(f"task {number}")) for number in range(300)]
    for task in random.sample(holding, 150):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)

    assert accounts.pool.in_use(account.id, "video") == 0
    assert accounts.pool.waiting() == 0


async def test_the_least_busy_account_is_taken(accounts):
    for name in ("one", "two"):
        await accounts.add(name, slots=4)

    names = Counter([(await lease(accounts, f"task {number}")).account.name for number in range(6)])

    assert names == {"one": 3, "two": 3}


@pytest.mark.parametrize("avoided", ["one", "two"])
async def test_an_account_to_avoid_is_taken_only_if_there_is_no_other(accounts, avoided):
    ids = {name: (await accounts.add(name)).id for name in ("one", "two")}
    need = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}), avoid=frozenset({ids[avoided]}))

    first = await lease(accounts, "first", need=need)
    second = await lease(accounts, "second", need=need)

    assert (first.account.name != avoided, second.account.name == avoided) == (True, True)


async def test_it_can_be_said_why_somebody_waits(accounts):
    account = await accounts.add("box")
    await lease(accounts, "first")
    ahead = await waiting(accounts, "ahead", admitted=1.0)

    assert accounts.pool.reason(NEED, admitted=2.0) == "Waiting for a video slot on box: 1 ahead."
    await accounts.book.note(account.id, set_aside="engine_rate_limited", rests_until=time.time() + 60)
    assert accounts.pool.reason(NEED, admitted=2.0).startswith("No tasks go to box for ")
    ahead.cancel()


async def test_an_account_whose_settings_are_wrong_keeps_no_other_from_its_work(accounts):
    class Choosy(accounts.kind):
        def __init__(self, account, client):
            if account.settings:
                raise InvalidValue("There is no such setting.")
            super().__init__(account, client)

    accounts.engines.kinds = {"told": Choosy}
    await accounts.add("box")
    wrong = await accounts.add("wrong", settings={"dialect": "of a newer version"})

    assert (await lease(accounts, "task")).account.name == "box"
    with pytest.raises(NoEngine, match="settings of the account 'wrong'"):
        await accounts.health.check(wrong)
    assert accounts.book.get(wrong.id).checked_at > wrong.checked_at
