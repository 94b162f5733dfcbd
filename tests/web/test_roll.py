"""What is kept of all accounts for pages to look at follows each change, and what time alone changes."""

import asyncio
import time

from told import accounts

from sora2api.accounts import Need
from sora2api.accounts.daily import DAY
from sora2api.web.roll import Roll

__all__ = ["accounts"]

VIDEO = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))


def names(roll):
    return [account.name for account in roll.in_use().accounts]


async def test_accounts_stand_by_name_as_they_are_added_changed_and_removed(accounts):
    roll = Roll(accounts.book, accounts.pool)
    for name in ("b", "C", "a"):
        account = await accounts.add(name, groups=(f"of {name}",))
    assert (names(roll), roll.in_use().groups) == (["a", "b", "C"], ["of C", "of a", "of b"])

    await accounts.book.change(account.id, name="d", groups=("night",))
    assert (names(roll), roll.in_use().groups) == (["b", "C", "d"], ["night", "of C", "of b"])
    assert roll.words()[account.id].splitlines() == ["d", account.id, "http://127.0.0.1:1", "", "night"]

    await accounts.book.remove(account.id)
    assert names(roll) == ["b", "C"]


async def test_the_sandbox_is_there_until_an_engine_is_connected(accounts):
    roll = Roll(accounts.book, accounts.pool)
    await accounts.add("sandbox", sandbox=True)
    assert names(roll) == ["sandbox"]

    await accounts.add("box")

    assert names(roll) == ["box"]


async def test_an_accounts_condition_follows_what_becomes_of_it(accounts):
    account = await accounts.add("box")
    roll = Roll(accounts.book, accounts.pool)

    async def after(**changes):
        await accounts.book.note(account.id, **changes)
        return roll.conditions()[account.id]

    assert roll.conditions()[account.id] == "ready"
    assert await after(enabled=False) == "disabled"
    assert await after(enabled=True, models=()) == "unknown"
    assert await after(set_aside="account_rejected") == "ill"
    assert await after(rests_until=time.time() + 60) == "resting"


async def test_a_condition_that_time_ends_is_followed_too(accounts, monkeypatch):
    resting = await accounts.add("resting", set_aside="rate_limited", rests_until=time.time() + 60)
    ending = await accounts.add("ending", expires_at=time.time() + DAY / 2)
    used_up = await accounts.add("used up", daily_videos=1)
    roll = Roll(accounts.book, accounts.pool)
    await asyncio.wait_for(accounts.pool.lease(VIDEO, task="a", owner="a", admitted=0.0), 1)
    await asyncio.wait_for(accounts.pool.lease(VIDEO, task="b", owner="a", admitted=0.0), 1)
    assert [roll.conditions()[each.id] for each in (resting, ending, used_up)] == ["resting", "ready", "resting"]

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + DAY)
    accounts.pool.look_again()

    assert [roll.conditions()[each.id] for each in (resting, ending, used_up)] == ["ready", "ill", "ready"]
