"""What counts as a trouble: of accounts, engines, proxies, the queue and the disk."""

import asyncio
import time

import pytest

from sora2api.accounts import Need
from sora2api.jobs.troubles import Troubles
from sora2api.media.store import MediaStore
from sora2api.media.workshop import Workshop

NEED = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))


@pytest.fixture
async def troubles(accounts, tmp_path):
    """Troubles as the function that names those there are now."""
    workshop = Workshop()
    made = Troubles(
        book=accounts.book,
        pool=accounts.pool,
        proxies=accounts.proxies,
        store=MediaStore(tmp_path, accounts.database, workshop, reserve=0),
        queue_limit=10,
    )
    yield lambda: [(trouble.kind, trouble.subject, trouble.reason) for trouble in made.now()]
    await workshop.close()


async def test_where_all_is_well_there_are_none(accounts, troubles):
    await accounts.add("box")

    assert troubles() == []


async def test_an_account_that_was_set_aside_is_one_and_the_last_one_leaves_no_engine(accounts, troubles):
    first, second = await accounts.add("first"), await accounts.add("second")
    await accounts.book.note(first.id, set_aside="account_rejected", set_aside_at=time.time())
    one = troubles()
    await accounts.book.note(second.id, set_aside="engine_busy", rests_until=time.time() + 90)

    assert one == [("account.set_aside", "first", "account_rejected")]
    assert troubles() == [
        ("account.set_aside", "first", "account_rejected"),
        ("account.set_aside", "second", "engine_busy"),
        ("engine.none", "engines", "no_engine"),
    ]


async def test_an_account_whose_rest_is_over_is_none_nor_is_one_that_was_removed(accounts, troubles):
    rested, removed = await accounts.add("rested"), await accounts.add("removed")
    await accounts.book.note(rested.id, set_aside="engine_busy", rests_until=time.time() - 1)
    await accounts.book.note(removed.id, set_aside="account_rejected")
    await accounts.book.remove(removed.id)

    assert troubles() == []


async def test_an_account_that_is_disabled_while_set_aside_has_not_returned(accounts, troubles):
    await accounts.add("other")
    account = await accounts.add("box")
    await accounts.book.note(account.id, set_aside="account_rejected")
    await accounts.book.change(account.id, enabled=False)

    assert troubles() == [("account.set_aside", "box", "account_rejected")]


async def test_a_token_that_has_ended_sets_its_account_aside(accounts, troubles):
    await accounts.add("other")
    account = await accounts.add("box")
    await accounts.book.note(account.id, expires_at=time.time() - 1)

    assert troubles() == [("account.set_aside", "box", "account_expired")]


async def test_a_listed_proxy_that_is_down_is_one_unless_it_is_disabled(accounts, troubles):
    await accounts.add("box")
    proxy = await accounts.proxies.add("exit", "http://127.0.0.1:9")
    for _ in range(3):
        accounts.proxies.standing(proxy.url).missed("proxy_fault")
    down = troubles()
    await accounts.proxies.change(proxy.id, enabled=False)

    assert down == [("proxy.down", "exit", "proxy_fault")]
    assert troubles() == []


async def test_a_queue_is_full_from_nine_tenths_on_until_three_quarters(accounts, troubles):
    await accounts.add("box", slots=1)
    waiting = []

    async def fill(count: int) -> list:
        while len(waiting) > count:
            waiting.pop().cancel()
        while len(waiting) < count:
            task = f"task {len(waiting)}"
            lease = accounts.pool.lease(NEED, task=task, owner="a", admitted=float(len(waiting)))
            waiting.append(asyncio.ensure_future(lease))
        await asyncio.wait(waiting, timeout=0.05)
        return troubles()

    full = [("queue.full", "queue", "queue_full")]
    # the first of them has the slot, so one less waits
    assert [await fill(count) for count in (9, 10, 9, 8, 9)] == [[], full, full, [], []]
    for lease in waiting:
        lease.cancel()


async def test_a_disk_below_its_reserve_is_one(accounts, tmp_path):
    await accounts.add("box")
    workshop = Workshop()
    store = MediaStore(tmp_path, accounts.database, workshop, reserve=1 << 60)
    made = Troubles(book=accounts.book, pool=accounts.pool, proxies=accounts.proxies, store=store, queue_limit=10)

    assert [trouble.kind for trouble in made.now()] == ["disk.low"]
    await workshop.close()
