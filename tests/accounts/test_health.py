"""Accounts are set aside by the type of what went wrong, come back by themselves, and suffer for no client's fault."""

import asyncio
import time

import pytest

from sora2api.accounts import Health, Need
from sora2api.errors import (
    AccountRejected,
    BadRequest,
    ConnectFault,
    EngineBusy,
    EngineFault,
    NetworkFault,
    NotServedHere,
    PolicyRefusal,
    ProxyFault,
    QuotaExhausted,
    RateLimited,
)

NEED = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))


async def note(accounts, account, error):
    await accounts.health.note(account.id, error, model="sora-2")
    return accounts.book.get(account.id)


@pytest.mark.parametrize("error", [BadRequest, PolicyRefusal])
async def test_a_clients_fault_is_never_held_against_an_account(accounts, error):
    account = await accounts.add("box")
    for _ in range(20):
        after = await note(accounts, account, error())
    assert after.ready(time.time())
    assert after.set_aside is None


@pytest.mark.parametrize("error", [RateLimited, QuotaExhausted, EngineBusy])
async def test_an_account_rests_as_long_as_its_engine_says(accounts, error):
    account = await note(accounts, await accounts.add("box"), error(retry_after=40))
    assert not account.ready(time.time() + 39)
    assert account.ready(time.time() + 41)


async def test_a_rest_is_not_ended_by_another_tasks_success(accounts):
    account = await note(accounts, await accounts.add("box"), RateLimited(retry_after=40))
    await accounts.health.well(account.id)
    assert not accounts.book.get(account.id).ready(time.time())


async def test_a_rejected_account_stays_aside_until_its_engine_takes_it_again(accounts):
    account = await note(accounts, await accounts.add("box"), AccountRejected())
    account = await note(accounts, account, EngineBusy(retry_after=1))
    assert account.set_aside == "account_rejected"
    assert not account.ready(time.time() + 1e9)
    await accounts.health.check(account)
    assert accounts.book.get(account.id).ready(time.time())


async def tired(accounts, account, error=EngineFault):
    """The account after three faults in a row."""
    for _ in range(3):
        account = await note(accounts, account, error())
    return account


async def rested(accounts, account):
    """The account when its rest is over."""
    gone = account.rests_until - time.time() + 0.001
    return await accounts.book.note(
        account.id, set_aside_at=account.set_aside_at - gone, rests_until=account.rests_until - gone
    )


async def test_three_faults_in_a_row_rest_an_account_and_each_one_after_its_rest_twice_as_long(accounts):
    account = await accounts.add("box")
    rests = []
    for _ in range(8):
        account = await note(accounts, account, EngineFault())
        rests.append(round((account.rests_until or time.time()) - time.time()))
        if account.rests_until:
            account = await rested(accounts, account)
    assert rests == [0, 0, 15, 30, 60, 120, 240, 480]


async def test_faults_of_tasks_begun_before_do_not_make_a_rest_longer(accounts):
    account = await tired(accounts, await accounts.add("box", slots=9))
    until = account.rests_until
    assert (await tired(accounts, account)).rests_until == until


async def test_after_its_rest_an_account_gets_one_task_until_it_has_shown_that_it_is_well(accounts):
    account = await rested(accounts, await tired(accounts, await accounts.add("box", slots=4)))
    first = await accounts.pool.lease(NEED, task="first", owner="a", admitted=0)
    others = [asyncio.ensure_future(accounts.pool.lease(NEED, task=str(n), owner="a", admitted=0)) for n in range(3)]
    await asyncio.wait(others, timeout=0.01)
    assert (first.account.id, [other.done() for other in others]) == (account.id, [False] * 3)
    await accounts.health.well(account.id)
    await asyncio.wait_for(asyncio.gather(*others), 1)


async def test_a_trial_that_says_nothing_makes_room_for_another(accounts):
    await rested(accounts, await tired(accounts, await accounts.add("box", slots=4)))
    await accounts.pool.lease(NEED, task="cancelled", owner="a", admitted=0)
    next_one = asyncio.ensure_future(accounts.pool.lease(NEED, task="next", owner="a", admitted=0))
    await asyncio.wait((next_one,), timeout=0.01)
    assert not next_one.done()
    accounts.pool.release("cancelled")
    await asyncio.wait_for(next_one, 1)


async def test_a_trial_that_fails_doubles_the_rest_after_a_restart_too(accounts):
    account = await rested(accounts, await tired(accounts, await accounts.add("box")))
    after = Health(accounts.book, accounts.engines, accounts.pool)
    await after.note(account.id, EngineFault(), model="sora-2")
    assert round(accounts.book.get(account.id).rests_until - time.time()) == 30


async def test_a_proxy_that_fails_is_not_held_against_its_account(accounts):
    account = await tired(accounts, await accounts.add("box"), ProxyFault)
    assert account.set_aside is None


async def test_a_rest_without_more_to_show_is_forgotten_when_it_is_over(accounts):
    account = await note(accounts, await accounts.add("box"), QuotaExhausted(retry_after=0.5))
    back = asyncio.Event()
    accounts.book.listen(lambda _, account: back.set() if account.set_aside is None else None)
    checking = asyncio.ensure_future(accounts.health.keep_checking())
    await asyncio.wait_for(back.wait(), 5)
    checking.cancel()
    assert (await reloaded(accounts, account)).rests_until is None


async def test_a_fault_is_forgotten_when_a_task_goes_well(accounts):
    account = await accounts.add("box")
    for _ in range(10):
        account = await note(accounts, account, EngineFault())
        await accounts.health.well(account.id)
    assert accounts.book.get(account.id).set_aside is None


async def test_thousands_of_faults_are_borne(accounts):
    account = await accounts.add("box")
    for _ in range(1100):
        account = await note(accounts, account, NetworkFault())
        if account.rests_until and account.rests(time.time()):
            account = await rested(accounts, account)
    assert (account.rests_until or 0) - (account.set_aside_at or 0) <= 600


async def test_an_engine_that_answers_checks_but_fails_jobs_rests_all_the_same(accounts):
    account = await accounts.add("box")
    account = await tired(accounts, account)
    await accounts.health.check(account)
    assert not accounts.book.get(account.id).ready(time.time())
    await rested(accounts, account)
    await accounts.health.check(account)
    assert accounts.book.get(account.id).on_trial(time.time())


async def test_an_engine_that_was_not_reached_is_well_when_it_answers(accounts):
    account = await accounts.add("box")
    for _ in range(3):
        account = await note(accounts, account, ConnectFault())
    assert not account.ready(time.time())
    await accounts.health.check(account)
    assert accounts.book.get(account.id).ready(time.time())


async def checked_again(accounts, *known):
    """Whether each is asked anew whose engine was asked six seconds ago; the last of them is."""
    before = time.time() - 6
    for account in known:
        await accounts.book.note(account.id, checked_at=before)
    checking = asyncio.ensure_future(accounts.health.keep_checking())
    while accounts.book.get(known[-1].id).checked_at == before or accounts.health._busy:  # noqa: ASYNC110 - it sets no event
        await asyncio.sleep(0.01)
    checking.cancel()
    return [accounts.book.get(account.id).checked_at > before for account in known]


async def test_a_rejected_token_is_not_tried_every_few_seconds_though_it_never_worked(accounts):
    accounts.kind.answer = AccountRejected()
    rejected, new = [await accounts.book.note((await accounts.add(name)).id, models=()) for name in ("box", "new")]
    await note(accounts, rejected, AccountRejected())

    assert await checked_again(accounts, rejected, new) == [False, True]


async def test_what_is_wrong_with_an_account_is_logged_once(accounts, caplog):
    account = await accounts.book.note((await accounts.add("box")).id, models=())
    for answer in (ConnectFault(), ConnectFault(), EngineFault(), None, EngineFault()):
        accounts.kind.answer = answer
        await accounts.book.note(account.id, models=())
        await checked_again(accounts, account)

    codes = [record.code for record in caplog.records if record.message == "account not well"]
    assert codes == [ConnectFault.code, EngineFault.code, EngineFault.code]


async def test_a_model_that_is_not_served_is_asked_of_another_account(accounts):
    wrong, right = await accounts.add("wrong", slots=9), await accounts.add("right", slots=9)
    await note(accounts, wrong, NotServedHere())
    taken = {(await accounts.pool.lease(NEED, task=str(n), owner="a", admitted=0)).account.id for n in range(5)}
    assert taken == {right.id}


async def test_who_waits_goes_on_when_a_rest_is_over(accounts):
    account = await accounts.add("box")
    until = time.time() + 1
    await accounts.book.note(account.id, set_aside="engine_busy", rests_until=until)
    checking = asyncio.ensure_future(accounts.health.keep_checking())
    lease = await asyncio.wait_for(accounts.pool.lease(NEED, task="task", owner="a", admitted=0), 5)
    checking.cancel()
    assert lease.account.id == account.id
    assert time.time() >= until


async def test_changes_at_the_same_time_do_not_undo_each_other(accounts):
    account = await accounts.add("box")
    await asyncio.gather(
        accounts.book.note(account.id, set_aside="engine_busy", rests_until=1e12),
        accounts.book.note(account.id, checked_at=5.0),
        accounts.book.change(account.id, weight=3.0),
    )
    for known in (accounts.book.get(account.id), await reloaded(accounts, account)):
        assert (known.set_aside, known.checked_at, known.weight) == ("engine_busy", 5.0, 3.0)


async def reloaded(accounts, account):
    await accounts.book.load()
    return accounts.book.get(account.id)
