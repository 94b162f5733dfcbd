"""Proxies that refuse, say nothing, are too slow or die: what becomes of their accounts, and how they come back."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from told import accounts

from sora2api.accounts.probes import Probes
from sora2api.accounts.proxy_watch import ProxyWatch
from sora2api.egress import Client
from sora2api.errors import ProxyFault

__all__ = ["accounts"]

PATIENCE = 15
TIMEOUT = 0.5


async def _until(holds) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.02)


@pytest.fixture
async def engine() -> AsyncIterator[str]:
    async def answer(_request):
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site.port}"
    await runner.cleanup()


@asynccontextmanager
async def _watched(accounts, failure: str) -> AsyncIterator[Probes]:
    accounts.proxies._failure = failure
    probes = Probes(accounts.book, accounts.proxies, timeout=TIMEOUT)
    running = asyncio.create_task(ProxyWatch(probes, accounts.proxies, accounts.book).run())
    try:
        yield probes
    finally:
        running.cancel()
        await asyncio.wait((running,))


def _rests(accounts, name: str) -> bool:
    return accounts.book.named(name).set_aside == "proxy_fault"


async def _silent(reader, writer):
    await reader.read()


async def _slow(reader, writer):
    """Let us in, and not come to open a way."""
    await reader.readexactly(3)
    writer.write(b"\x05\x00")
    await reader.read()


async def _dies(reader, writer):
    await reader.readexactly(3)


async def _serve(broken, port):
    """A proxy that is *broken*, at a port."""

    async def handle(reader, writer):
        with suppress(asyncio.IncompleteReadError):
            await broken(reader, writer)
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", port)


@pytest.mark.parametrize("broken", [None, _silent, _slow, _dies], ids=["refuses", "says nothing", "too slow", "dies"])
async def test_a_proxy_that_fails_thrice_is_quarantined_with_its_accounts_alone_and_comes_back(
    accounts, engine, start_proxy, broken
):
    one, two = await start_proxy("socks5"), await start_proxy("socks5")
    await accounts.proxies.add("one", one.url())
    await accounts.proxies.add("two", two.url())
    await accounts.add("a", base_url=engine, proxy="one")
    await accounts.add("b", base_url=engine, proxy="two")
    async with _watched(accounts, "rest") as probes:
        await _until(lambda: all(proxy.latency for proxy in accounts.proxies.all()))

        one.stop()
        server = broken and await _serve(broken, one.port)
        for _ in range(3):
            with pytest.raises(ProxyFault):
                await probes.probe(one.url(), [accounts.book.named("a")])
        await _until(lambda: _rests(accounts, "a"))
        await _until(lambda: accounts.proxies.named("one").down == "proxy_fault")
        with pytest.raises(ProxyFault):
            accounts.proxies.route("one", whose="a")
        assert accounts.book.named("b").set_aside is None

        if server:
            server.close()
        await one.start()
        await _until(lambda: not _rests(accounts, "a"))
        await _until(lambda: accounts.proxies.named("one").down is None)


async def test_calls_that_are_blocked_quarantine_a_proxy_at_once_and_move_its_accounts(accounts, engine, start_proxy):
    one, two = await start_proxy("socks5"), await start_proxy("http", "me:secret")
    await accounts.proxies.add("one", one.url())
    await accounts.proxies.add("two", two.url())
    account = await accounts.add("a", base_url=engine, proxy="one")
    client: Client = accounts.engines.driver(account).client
    async with _watched(accounts, "move"):
        assert (await client.request("GET", "/")).status == 200
        one.stop()
        failed = 0
        while two.asked == []:
            try:
                await client.request("GET", "/")
            except ProxyFault:
                failed += 1

        assert failed <= 3
        assert accounts.book.named("a").set_aside is None
        assert accounts.proxies.route("one", whose=account.id).name == "two"

        await one.start()
        await _until(lambda: accounts.proxies.route("one", whose=account.id).name == "one")


async def test_credentials_that_are_wrong_are_found_out_and_mended_by_a_change(accounts, engine, start_proxy):
    one = await start_proxy("http", "me:secret")
    proxy = await accounts.proxies.add("one", one.url().replace("secret", "guess"))
    await accounts.add("a", base_url=engine, proxy="one")
    async with _watched(accounts, "rest"):
        await _until(lambda: _rests(accounts, "a"))

        await accounts.proxies.change(proxy.id, url=one.url())

        await _until(lambda: not _rests(accounts, "a"))


async def test_an_engine_that_is_not_there_is_not_held_against_the_proxy(accounts, tmp_path):
    async def refuses(reader, writer):
        await reader.readexactly(3)
        writer.write(b"\x05\x00")
        await reader.readexactly(10)
        writer.write(b"\x05\x05\x00\x01" + bytes(6))

    server = await _serve(refuses, 0)
    port = server.sockets[0].getsockname()[1]
    await accounts.proxies.add("one", f"socks5://127.0.0.1:{port}")
    await accounts.add("a", proxy="one")
    async with _watched(accounts, "rest"):
        await _until(lambda: accounts.proxies.named("one").checked_at)

    assert accounts.proxies.named("one").down is None
    server.close()


@pytest.mark.parametrize("protocol", ["socks5", "socks4", "http"])
async def test_a_proxy_that_nobody_uses_is_greeted_and_asked_for_no_host(accounts, start_proxy, protocol):
    one = await start_proxy(protocol, "" if protocol == "socks4" else "me:secret")
    await accounts.proxies.add("one", one.url())
    async with _watched(accounts, "rest"):
        await _until(lambda: accounts.proxies.named("one").latency)

    assert one.asked == []


async def test_a_greeting_tells_wrong_credentials_of_socks5(accounts, start_proxy):
    one = await start_proxy("socks5", "me:secret")
    await accounts.proxies.add("one", one.url().replace("secret", "guess"))
    probes = Probes(accounts.book, accounts.proxies, timeout=TIMEOUT)

    with pytest.raises(ProxyFault):
        await probes.probe(accounts.proxies.named("one").url, [])


async def test_a_probe_asks_for_the_engines_of_its_users_alone(accounts, engine, start_proxy):
    one = await start_proxy("socks5")
    await accounts.proxies.add("one", one.url())
    await accounts.add("a", base_url=engine, proxy="one")
    async with _watched(accounts, "rest"):
        await _until(lambda: accounts.proxies.named("one").latency)

    assert set(one.asked) == {("127.0.0.1", int(engine.rpartition(":")[2]))}


async def test_who_is_down_and_back_is_said_in_the_log_without_a_password(accounts, start_proxy, caplog):
    one = await start_proxy("socks5", "me:secret")
    await accounts.proxies.add("one", one.url())
    await accounts.add("a", proxy="one", base_url="http://127.0.0.1:9")
    caplog.set_level(logging.INFO)
    for _ in range(3):
        accounts.proxies.blocked(accounts.proxies.named("one").route, ProxyFault())
    async with _watched(accounts, "rest"):
        await _until(lambda: "proxy down" in caplog.text)
        await _until(lambda: "proxy back" in caplog.text)

    assert "secret" not in caplog.text + repr([vars(record) for record in caplog.records])


async def test_an_account_that_was_at_rest_over_a_restart_is_taken_back_when_its_proxy_is_well(accounts, start_proxy):
    one = await start_proxy("socks5")
    account = await accounts.add("a", proxy=one.url())
    await accounts.book.note(account.id, set_aside="proxy_fault", set_aside_at=1.0)
    async with _watched(accounts, "rest"):
        await _until(lambda: not _rests(accounts, "a"))
