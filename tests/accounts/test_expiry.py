"""A token's end is read from it, in any timezone, and its account gets no task after it."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode

import pytest

from sora2api.accounts import Need
from sora2api.accounts.expiry import expiry, lifetime

NEED = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))


def jwt(**claims):
    head, body = (urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "x"}, claims))
    return f"{head}.{body}.signature"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/St_Johns"])
def test_the_end_is_the_same_in_every_timezone(monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert expiry(jwt(exp=1795000000)) == 1795000000.0
    assert lifetime(jwt(exp=1795000000, iat=1794996400)) == 3600.0
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "token",
    [None, "", "sk-plain", "a.b.c", "..", jwt(sub="me"), jwt(exp="soon"), jwt(exp=None), "a.!!!.c", "a.W10.c", "ü.ü.ü"],
)
def test_what_is_no_jwt_or_tells_nothing_has_no_known_end(token):
    assert expiry(token) is None
    assert lifetime(token) is None


async def test_an_account_knows_the_end_of_each_token_that_it_is_given(accounts):
    account = await accounts.add("box", token=jwt(exp=4000000000))
    assert account.expires_at == 4000000000.0
    assert (await accounts.book.change(account.id, token=jwt(exp=4100000000))).expires_at == 4100000000.0
    assert (await accounts.book.change(account.id, token="sk-plain")).expires_at is None


async def test_an_account_gets_no_task_once_its_token_has_ended(accounts):
    account = await accounts.add("box", slots=5, expires_at=time.time() + 0.3)
    await accounts.pool.lease(NEED, task="before", owner="a", admitted=0)
    waiting = asyncio.ensure_future(_after(accounts, account))
    assert (await waiting) == ("account_expired", None)
    assert accounts.pool.reason(NEED, admitted=0) == "No tasks go to box until somebody mends it: account_expired."


async def _after(accounts, account):
    aside = asyncio.Event()
    accounts.book.listen(lambda _, account: aside.set() if account.set_aside else None)
    checking = asyncio.ensure_future(accounts.health.keep_checking())
    await asyncio.wait_for(aside.wait(), 5)
    checking.cancel()
    leased = asyncio.ensure_future(accounts.pool.lease(NEED, task="after", owner="a", admitted=0))
    await asyncio.wait((leased,), timeout=0.01)
    assert not leased.done()
    leased.cancel()
    account = accounts.book.get(account.id)
    return account.set_aside, account.rests_until


async def test_an_engine_can_tell_the_end_of_a_token(accounts):
    async def expires_at(driver):
        return 4000000000.0

    accounts.kind.expires_at = expires_at
    account = await accounts.add("box")
    await accounts.health.check(account)
    assert accounts.book.get(account.id).expires_at == 4000000000.0
