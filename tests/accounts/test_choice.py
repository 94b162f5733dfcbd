"""Of several free accounts the strategy, the priorities and the groups choose; and what was chosen can be explained."""

import asyncio
import random
import time
from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from sora2api.accounts import Need, Pool
from sora2api.errors import NotServedHere

NEED = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))


def pool_by(accounts, strategy):
    return Pool(accounts.book, accounts.engines, sandbox=False, strategy=strategy)


async def chosen(pool, number, *, need=NEED, keep=False):
    """The names of the accounts that so many tasks get, one after another."""
    names = []
    for turn in range(number):
        task = f"{turn} {random.random()}"
        lease = await asyncio.wait_for(pool.lease(need, task=task, owner="a", admitted=0.0), 1)
        names.append(lease.account.name)
        if not keep:
            pool.release(task)
    return names


async def refused(pool, *, need=NEED):
    """Why there is no lease now."""
    waiting = asyncio.ensure_future(pool.lease(need, task="refused", owner="a", admitted=1.0))
    await asyncio.wait((waiting,), timeout=0.01)
    assert not waiting.done()
    reason = pool.reason(need, admitted=1.0)
    waiting.cancel()
    await asyncio.wait((waiting,))
    return reason


# Strategies.


async def test_by_weight_each_account_gets_its_share_evenly_spread(accounts):
    for name, weight in (("five", 5.0), ("two", 2.0), ("one", 1.0)):
        await accounts.add(name, slots=4, weight=weight)
    names = await chosen(pool_by(accounts, "weighted"), 800)
    assert Counter(names) == {"five": 500, "two": 200, "one": 100}
    for start in range(0, 800, 8):
        assert Counter(names[start : start + 8])["five"] in (4, 5, 6)


async def test_shares_hold_though_tasks_last_and_accounts_come_and_go(accounts):
    heavy = await accounts.add("heavy", slots=50, weight=3.0)
    await accounts.add("light", slots=50, weight=1.0)
    pool = pool_by(accounts, "weighted")
    assert Counter(await chosen(pool, 20, keep=True)) == {"heavy": 15, "light": 5}
    await accounts.book.change(heavy.id, enabled=False)
    assert set(await chosen(pool, 100)) == {"light"}
    await accounts.book.change(heavy.id, enabled=True)
    assert Counter(await chosen(pool, 40))["heavy"] in (29, 30, 31)


async def test_in_turns_each_account_gets_as_many(accounts):
    for name in ("a", "b", "c"):
        await accounts.add(name, slots=4)
    assert await chosen(pool_by(accounts, "round_robin"), 6) == ["a", "b", "c", "a", "b", "c"]


async def test_at_random_each_account_is_as_likely_whatever_came_before(accounts):
    random.seed(7)
    for name in ("a", "b", "c", "d"):
        await accounts.add(name, slots=3)
    names = await chosen(pool_by(accounts, "random"), 2000)
    pairs = Counter(pairwise(names))
    assert all(400 < count < 600 for count in Counter(names).values())
    assert len(pairs) == 16
    assert all(80 < count < 180 for count in pairs.values())


# Priorities and groups.


async def test_a_lower_tier_serves_only_when_the_higher_one_has_no_slot(accounts):
    await accounts.add("spare", slots=9, priority=-1)
    await accounts.add("first", slots=2, priority=5)
    await accounts.add("second", slots=1)
    assert await chosen(accounts.pool, 5, keep=True) == ["first", "first", "second", "spare", "spare"]


@pytest.mark.parametrize("ill", ["resting", "disabled", "unserved", "avoided", "quota"])
async def test_a_lower_tier_serves_while_the_higher_one_is_ill(accounts, ill):
    first = await accounts.add("first", priority=1, slots=4)
    await accounts.add("second", slots=4)
    need = msgspec.structs.replace(NEED, avoid=frozenset({first.id})) if ill == "avoided" else NEED
    if ill == "resting":
        await accounts.book.note(first.id, set_aside="engine_busy", rests_until=time.time() + 60)
    elif ill == "disabled":
        await accounts.book.change(first.id, enabled=False)
    elif ill == "unserved":
        await accounts.health.note(first.id, NotServedHere(), model="sora-2")
    elif ill == "quota":
        await accounts.book.change(first.id, daily_videos=0)
    assert set(await chosen(accounts.pool, 4, need=need)) == {"second"}
    assert set(await chosen(accounts.pool, 1)) == ({"first"} if ill == "avoided" else {"second"})


async def test_an_account_must_be_in_every_group_that_is_named(accounts):
    await accounts.add("neither", slots=9)
    await accounts.add("one", slots=9, groups=("fast",))
    both = await accounts.add("both", slots=9, groups=("fast", "acme"))
    need = msgspec.structs.replace(NEED, groups=("acme", "fast"))
    assert set(await chosen(accounts.pool, 5, need=need)) == {"both"}
    await accounts.book.change(both.id, groups=("acme",))
    assert not accounts.pool.could_serve(need)
    why = "No account in use that is in each of the groups 'acme', 'fast' can do this."
    assert accounts.pool.reason(need, admitted=0) == why


async def test_a_task_bound_to_an_account_waits_for_that_one(accounts):
    bound = await accounts.add("bound")
    await accounts.add("other", slots=9)
    need = msgspec.structs.replace(NEED, account=bound.id)
    assert await chosen(accounts.pool, 1, need=need, keep=True) == ["bound"]
    assert await refused(accounts.pool, need=need) == "Waiting for a video slot on bound: 0 ahead."


# Reasons.


async def test_of_many_that_rest_the_first_to_be_back_tells_why(accounts):
    late, soon = await accounts.add("late"), await accounts.add("soon")
    await accounts.book.note(late.id, set_aside="account_rejected", rests_until=None)
    await accounts.book.note(soon.id, set_aside="engine_rate_limited", rests_until=time.time() + 60)
    assert await refused(accounts.pool) == "No tasks go to late, soon for 60 s more: engine_rate_limited."
    await accounts.book.note(soon.id, set_aside="account_rejected", rests_until=None)
    assert await refused(accounts.pool) == "No tasks go to late, soon until somebody mends it: account_rejected."


async def test_who_waits_is_told_of_the_daily_quota(accounts):
    await accounts.add("box", slots=9, daily_videos=2)
    await chosen(accounts.pool, 2)
    assert (await refused(accounts.pool)).startswith("The daily quota of videos on box is used up until 2")


# Whatever happens.


async def test_whatever_happens_nobody_waits_who_could_be_served(accounts):
    """Against a look at everybody after each of many random steps."""
    random.seed(11)
    boxes = [await accounts.add(f"box {n}", slots=1 + n % 2, priority=n % 2, groups=("g",) * (n % 3)) for n in range(5)]
    needs = [
        NEED,
        Need(model="sora-image", slot="image", capabilities=frozenset({"image"})),
        msgspec.structs.replace(NEED, groups=("g",)),
        *(msgspec.structs.replace(NEED, account=box.id, avoid=frozenset({boxes[0].id})) for box in boxes[:2]),
    ]
    waiting, holding = {}, {}
    for step in range(600):
        await _step(accounts, boxes, needs, waiting, holding, step)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in [task for task, (leased, _) in waiting.items() if leased.done()]:
            leased, need = waiting.pop(task)
            if not leased.cancelled():
                holding[task] = (leased.result().account.id, need.slot)
        used = Counter(holding.values())
        for box in accounts.book.all():
            assert all(accounts.pool.in_use(box.id, slot) == used[box.id, slot] for slot in ("image", "video"))
        for _, need in waiting.values():
            assert not any(_could(accounts, box, need, used) for box in accounts.book.all()), need
        assert accounts.pool.waiting() == len(waiting)
    for leased, _ in waiting.values():
        leased.cancel()


async def _step(accounts, boxes, needs, waiting, holding, step):
    what, box = random.random(), random.choice(boxes)
    if what < 0.45:
        need = random.choice(needs)
        lease = accounts.pool.lease(need, task=str(step), owner=random.choice("abc"), admitted=random.random())
        waiting[str(step)] = (asyncio.ensure_future(lease), need)
    elif what < 0.75 and holding:
        task = random.choice(list(holding))
        del holding[task]
        accounts.pool.release(task)
    elif what < 0.85 and waiting:
        random.choice(list(waiting.values()))[0].cancel()
    elif what < 0.95:
        await accounts.book.change(box.id, enabled=random.random() < 0.7, video_slots=random.randrange(3))
    else:
        code = random.choice([None, "engine_busy"])
        await accounts.book.note(box.id, set_aside=code, rests_until=time.time() + 1e6)


def _could(accounts, account, need, used):
    account = accounts.book.get(account.id)
    return (
        account.ready(time.time())
        and need.account in (None, account.id)
        and set(need.groups) <= set(account.groups)
        and used[account.id, need.slot] < account.slots(need.slot)
    )
