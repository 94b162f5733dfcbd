"""Tokens are renewed by OAuth 2: once, by one caller, kept before they are used; and only a clear no sets aside."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from accounts.issuing import Issuer

from sora2api.accounts import AccountBook
from sora2api.accounts.refresh import Refreshes
from sora2api.egress.trace import untraced
from sora2api.errors import AccountExpired, AccountRejected, ConnectFault, EngineFault


@pytest.fixture
async def issuer(accounts) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    server = issuer.server()
    await server.start_server()
    issuer.url = str(server.make_url("/")).rstrip("/")

    async def check(driver):
        reply = await driver.client.request("GET", "/models")
        if reply.status == 401:
            raise AccountRejected
        if reply.status != 200:
            raise EngineFault
        return ()

    accounts.kind.check = check
    yield issuer
    await server.close()


async def connected(accounts, issuer, **fields):
    """An account whose token has ended."""
    told = {"token": "ended", "refresh_token": "refresh 0", "refresh_url": f"{issuer.url}/oauth/token"}
    return await accounts.add("box", base_url=f"{issuer.url}/v1", **(told | fields))


def refreshes(accounts, *, pause=0.0):
    sessions = accounts.engines._sessions
    return Refreshes(accounts.book, sessions, accounts.proxies, trace=untraced, pause=pause)


async def stored(accounts, account):
    """The account as another process reads it."""
    book = AccountBook(accounts.database, accounts.vault)
    await book.load()
    return book.get(account.id)


async def test_a_rejected_token_is_renewed_once_and_the_call_made_again(accounts, issuer):
    account = await connected(accounts, issuer, client_id="me")
    await accounts.health.check(account)

    form = {"grant_type": "refresh_token", "refresh_token": "refresh 0", "client_id": "me"}
    assert issuer.asked == [{"type": "application/x-www-form-urlencoded", **form}]
    assert issuer.seen == ["ended", "token 1"]
    after = await stored(accounts, account)
    assert (after.token, after.refresh_token, after.set_aside) == ("token 1", "refresh 1", None)
    assert 3590 < after.expires_at - time.time() <= 3600


async def test_many_who_are_rejected_at_once_share_one_call(accounts, issuer):
    account = await connected(accounts, issuer)
    await asyncio.gather(
        *(accounts.health.check(account) for _ in range(20)), accounts.engines.refreshes.refresh(account.id)
    )
    assert len(issuer.asked) == 1
    assert set(issuer.seen) == {"ended", "token 1"}


async def test_a_new_refresh_token_is_on_disk_before_the_new_token_is_used(accounts, issuer):
    account = await connected(accounts, issuer)
    found = []

    async def models(request):
        if request.headers["Authorization"] == "Bearer token 1":
            after = await stored(accounts, account)
            found.append((after.token, after.refresh_token))
        return await Issuer.models(issuer, request)

    issuer.models = models
    server = issuer.server()
    await server.start_server()
    account = await accounts.book.change(account.id, base_url=str(server.make_url("/v1")))
    await accounts.health.check(account)
    await server.close()
    assert found == [("token 1", "refresh 1")]


async def test_a_server_that_does_not_rotate_keeps_its_refresh_token(accounts, issuer):
    issuer.rotates, issuer.expires_in = False, None
    account = await connected(accounts, issuer)
    await accounts.health.check(account)
    after = await stored(accounts, account)
    assert (after.token, after.refresh_token, after.expires_at) == ("token 1", "refresh 0", None)


async def test_a_refused_refresh_token_sets_the_account_aside_and_is_not_sent_again(accounts, issuer):
    account = await connected(accounts, issuer, refresh_token="spent")
    for _ in range(3):
        with pytest.raises(AccountExpired):
            await accounts.health.check(accounts.book.get(account.id))
    assert len(issuer.asked) == 1
    assert accounts.book.get(account.id).set_aside == "account_expired"

    account = await accounts.book.change(account.id, refresh_token="refresh 0")
    assert account.set_aside is None
    await accounts.health.check(account)
    assert accounts.book.get(account.id).token == "token 2"


async def test_a_new_token_that_is_rejected_too_sets_the_account_aside(accounts, issuer):
    account = await connected(accounts, issuer)

    issuer.models = Issuer(token="never").models
    server = issuer.server()
    await server.start_server()
    account = await accounts.book.change(account.id, base_url=str(server.make_url("/v1")))
    with pytest.raises(AccountRejected):
        await accounts.health.check(account)
    await server.close()
    assert (len(issuer.asked), accounts.book.get(account.id).set_aside) == (1, "account_rejected")


@pytest.mark.parametrize("answer", [(503, {}), (429, {}), (200, {"odd": True}), None])
async def test_without_a_clear_answer_the_account_stays_and_is_renewed_later(accounts, issuer, answer):
    account = await connected(accounts, issuer)
    renewing = refreshes(accounts)
    if answer is None:
        await accounts.book.change(account.id, refresh_url="http://127.0.0.1:1/token")
    issuer.refuses = answer
    with pytest.raises(ConnectFault):
        await renewing.renewed(account.id, "ended")
    assert accounts.book.get(account.id).set_aside is None

    issuer.refuses = None
    await accounts.book.change(account.id, refresh_url=f"{issuer.url}/oauth/token")
    assert await renewing.renewed(account.id, "ended")


async def test_a_server_without_an_answer_is_left_in_peace_for_a_while(accounts, issuer):
    account = await connected(accounts, issuer)
    renewing = refreshes(accounts, pause=60.0)
    issuer.refuses = (500, {})
    for _ in range(5):
        with pytest.raises(ConnectFault):
            await renewing.renewed(account.id, "ended")
    assert len(issuer.asked) == 1


async def test_what_another_process_has_renewed_is_taken_over(accounts, issuer):
    account = await connected(accounts, issuer)
    other = AccountBook(accounts.database, accounts.vault)
    await other.load()
    await other.change(account.id, token="token 0", refresh_token="refresh 0")
    await accounts.health.check(account)
    assert (issuer.asked, issuer.seen) == ([], ["ended", "token 0"])


async def test_a_token_is_renewed_before_it_ends(accounts, issuer):
    account = await connected(accounts, issuer, token="token 0", expires_at=time.time() + 100)
    renewed = asyncio.Event()
    accounts.book.listen(lambda _, account: renewed.set() if account.token == "token 1" else None)
    checking = asyncio.ensure_future(accounts.health.keep_checking())
    await asyncio.wait_for(renewed.wait(), 5)
    checking.cancel()
    assert "ended" not in issuer.seen
    assert not accounts.engines.refreshes.due(accounts.book.get(account.id))


@pytest.mark.parametrize(
    ("lasts", "left", "due"),
    [(3600, 370, False), (3600, 350, True), (600, 290, True), (86400, 8000, True), (60, 40, False)],
)
async def test_how_long_before_its_end_a_token_is_renewed(accounts, issuer, lasts, left, due):
    issuer.expires_in = lasts
    account = await connected(accounts, issuer)
    await accounts.engines.refreshes.refresh(account.id)
    account = await accounts.book.change(account.id, expires_at=time.time() + left)
    assert accounts.engines.refreshes.due(account) is due


async def test_renewing_can_be_switched_off_and_on_again(accounts, issuer):
    account = await connected(accounts, issuer)
    account = await accounts.book.change(account.id, refresh_url=None)
    with pytest.raises(AccountRejected):
        await accounts.health.check(account)
    assert (issuer.asked, accounts.book.get(account.id).set_aside) == ([], "account_rejected")

    account = await accounts.book.change(account.id, refresh_url=f"{issuer.url}/oauth/token")
    await accounts.health.check(account)
    assert (accounts.book.get(account.id).token, accounts.book.get(account.id).set_aside) == ("token 1", None)


async def test_new_tokens_are_got_by_the_accounts_own_proxy_or_not_at_all(accounts, issuer):
    account = await connected(accounts, issuer, proxy="http://127.0.0.1:1")
    with pytest.raises(ConnectFault):
        await accounts.engines.refreshes.refresh(account.id)
    assert issuer.asked == []


async def test_a_stop_waits_for_the_answer_to_a_refresh_token(accounts, issuer):
    account = await connected(accounts, issuer)
    waiting = asyncio.ensure_future(accounts.engines.refreshes.refresh(account.id))
    await asyncio.sleep(0)
    waiting.cancel()
    await accounts.engines.refreshes.close()
    assert (await stored(accounts, account)).refresh_token == "refresh 1"


async def test_new_tokens_are_kept_though_the_database_cannot_be_written_at_first(accounts, issuer, caplog):
    account = await connected(accounts, issuer)
    full = "CREATE TRIGGER full BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    await accounts.database.write(lambda connection: connection.exec_driver_sql(full))
    refreshing = asyncio.ensure_future(accounts.engines.refreshes.refresh(account.id))
    while "new tokens could not be written; trying again" not in caplog.messages:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await accounts.database.write(lambda connection: connection.exec_driver_sql("DROP TRIGGER full"))
    await refreshing
    after = await stored(accounts, account)
    assert (after.token, after.refresh_token, len(issuer.asked)) == ("token 1", "refresh 1", 1)
