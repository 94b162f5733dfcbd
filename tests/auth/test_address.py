"""Whom a request comes from, asked of a real server over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from sora2api.auth.address import Caller, caller, is_loopback, is_loopback_origin, networks, public_base

Ask = Callable[..., Awaitable[Caller]]

PROXY = ("127.0.0.0/8", "10.0.0.0/8")


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Sends a bare request with the given header lines, and returns whom the server takes us for."""
    seen: list[Caller] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(caller(request, networks(trusted)))
        return web.Response()

    trusted: tuple[str, ...] = ()
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()

    async def ask(*lines: str, by: tuple[str, ...] = (), version: str = "1.1", host: str = "localhost:80") -> Caller:
        nonlocal trusted
        trusted = by
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        head = [f"GET / HTTP/{version}", f"Host: {host}", "Connection: close", *lines, "", ""]
        writer.write("\r\n".join(head).encode())
        await reader.read()
        writer.close()
        await writer.wait_closed()
        return seen.pop()

    yield ask
    await runner.cleanup()


async def test_a_plain_request_from_this_machine_is_local(ask):
    assert await ask(host="localhost:8000") == Caller("127.0.0.1", "http", "localhost:8000", local=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
async def test_every_name_of_this_machine_is_local(ask, host):
    assert (await ask(host=host)).local


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "192.168.1.5", "local host"]
)
async def test_a_host_that_is_not_this_machine_is_not_local(ask, host):
    assert not (await ask(host=host)).local


@pytest.mark.parametrize(
    "line",
    [
        "Forwarded: for=127.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
        "x-forwarded-proto: http",
        "X-Forwarded-Server: localhost",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 localhost",
    ],
)
@pytest.mark.parametrize("by", [(), PROXY])
async def test_a_relayed_request_is_not_local_however_it_is_dressed(ask, line, by):
    assert not (await ask(line, by=by)).local


async def test_a_request_over_http_1_0_is_not_local(ask):
    assert not (await ask(version="1.0")).local


async def test_nobody_is_believed_but_trusted_proxies(ask):
    found = await ask("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example")

    assert (found.address, found.scheme, found.host) == ("127.0.0.1", "http", "localhost:80")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-Forwarded-For: 203.0.113.9"], ("203.0.113.9", "http", "localhost:80")),
        (["X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.1.1"], ("203.0.113.9", "http", "localhost:80")),
        (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9"], ("203.0.113.9", "http", "localhost:80")),
        (["X-Forwarded-For: [2001:db8::9]:443"], ("2001:db8::9", "http", "localhost:80")),
        (["X-Forwarded-For: 10.0.0.7, 10.0.0.8"], ("10.0.0.7", "http", "localhost:80")),
        (["X-Forwarded-For: nonsense"], ("127.0.0.1", "http", "localhost:80")),
        (
            ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: video.example"],
            ("203.0.113.9", "https", "video.example"),
        ),
        (
            ["X-Forwarded-For: 203.0.113.9, 10.1.1.1", "X-Forwarded-Proto: http, https, http"],
            ("203.0.113.9", "https", "localhost:80"),
        ),
        (["X-Forwarded-Proto: https"], ("127.0.0.1", "https", "localhost:80")),
        (["X-Forwarded-Proto: javascript", 'X-Forwarded-Host: "><script>'], ("127.0.0.1", "http", "localhost:80")),
        (
            ['Forwarded: for=6.6.6.6, for="[2001:db8::9]:4711";proto=https;host="video.example:8443"'],
            ("2001:db8::9", "https", "video.example:8443"),
        ),
        (["Forwarded: for=6.6.6.6;;=, for=203.0.113.9"], ("203.0.113.9", "http", "localhost:80")),
        (["Forwarded: for=6.6.6.6", "X-Forwarded-For: 203.0.113.9"], ("203.0.113.9", "http", "localhost:80")),
    ],
)
async def test_a_trusted_proxy_says_who_calls(ask, lines, expected):
    found = await ask(*lines, by=PROXY)

    assert (found.address, found.scheme, found.host) == expected


async def test_a_host_that_is_none_gives_way_to_the_address_listened_on(ask):
    found = await ask(host='"><script>alert(1)</script>')

    assert found.host.startswith("127.0.0.1:")


def test_links_begin_with_the_public_url_or_as_the_caller_called():
    called = Caller("203.0.113.9", "https", "video.example", local=False)

    assert public_base(called, "") == "https://video.example"
    assert public_base(called, "https://cdn.example/v/") == "https://cdn.example/v"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "localhost"])
def test_loopback_has_many_names(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org"])
def test_what_others_can_reach_is_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://127.0.0.1", "http://[::1]:8000"])
def test_a_page_of_this_machine_has_a_loopback_origin(origin):
    assert is_loopback_origin(origin)


@pytest.mark.parametrize(
    "origin", [None, "", "null", "http://evil.example", "http://localhost.evil.example", "file://localhost", "http://["]
)
def test_a_page_from_elsewhere_has_not(origin):
    assert not is_loopback_origin(origin)
