"""Calls by proxy, through real SOCKS and HTTP proxies."""

import ssl

import pytest

from sora2api.egress import Client, Fixed, GuardedFetch
from sora2api.egress.proxies import SCHEMES, tunnel
from sora2api.egress.sessions import Sessions
from sora2api.errors import ConnectFault, EngineFault, InvalidValue, ProxyFault


@pytest.mark.parametrize(
    ("scheme", "shown"),
    [("socks5", "127.0.0.1"), ("socks5h", "localhost"), ("socks4", "127.0.0.1"), ("http", "localhost")],
)
async def test_names_are_resolved_where_the_scheme_says(sessions, serve, start_proxy, scheme, shown):
    target, proxy = await serve(), await start_proxy(scheme.removesuffix("h"))
    url = f"http://localhost:{target.port}"
    client = Client(sessions, base_url=url, access=Fixed(proxy=f"{scheme}://127.0.0.1:{proxy.port}"))

    reply = await client.request("GET", "/hello")

    assert reply.json() == {"path": "/hello", "host": f"localhost:{target.port}"}
    assert len(proxy.asked) == 1
    assert f"{shown}:{target.port}" in proxy.asked[0]


@pytest.mark.parametrize("protocol", ["socks5", "http"])
async def test_a_proxy_is_given_its_credentials(sessions, serve, start_proxy, protocol):
    target, proxy = await serve(), await start_proxy(protocol, "me:p%40ss")
    right = f"{protocol}://me:p%2540ss@127.0.0.1:{proxy.port}"

    reply = await Client(sessions, base_url=target.url, access=Fixed(proxy=right)).request("GET", "/")

    assert reply.status == 200


async def test_an_https_proxy_is_spoken_to_by_tls(sessions, serve, start_proxy, certified):
    target, proxy = await serve(), await start_proxy("http", "me:p@ss", tls=certified)
    way = f"https://me:p%40ss@127.0.0.1:{proxy.port}"

    reply = await Client(sessions, base_url=target.url, access=Fixed(proxy=way)).request("GET", "/")

    assert reply.status == 200
    assert len(proxy.asked) == 1


async def test_an_https_proxy_that_nobody_vouches_for_gets_nothing(
    sessions, serve, start_proxy, certified, monkeypatch
):
    target, proxy = await serve(), await start_proxy("http", tls=certified)
    monkeypatch.delenv("SSL_CERT_FILE")
    access = Fixed(proxy=f"https://127.0.0.1:{proxy.port}")

    with pytest.raises(ProxyFault):
        await Client(sessions, base_url=target.url, access=access).request("GET", "/")

    assert proxy.asked == target.requests == []


@pytest.mark.parametrize("protocol", ["socks5", "http"])
async def test_a_proxy_that_rejects_the_credentials_means_that_nothing_was_sent(sessions, serve, start_proxy, protocol):
    target, proxy = await serve(), await start_proxy(protocol, "me:secret")

    for given in ("me:guess@", ""):
        wrong = f"{protocol}://{given}127.0.0.1:{proxy.port}"
        with pytest.raises(ProxyFault):
            await Client(sessions, base_url=target.url, access=Fixed(proxy=wrong)).request("POST", "/", json={})

    assert target.requests == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_nothing_goes_direct_when_the_proxy_is_down(sessions, serve, scheme):
    target = await serve()
    client = Client(sessions, base_url=target.url, access=Fixed(proxy=f"{scheme}://127.0.0.1:9"))

    with pytest.raises(ProxyFault):
        await client.request("POST", "/", json={})

    assert target.requests == []


class _Noting(Fixed):
    """Notes what could not get through."""

    def __init__(self, proxy):
        super().__init__(proxy=proxy)
        self.noted = []

    def blocked(self, route, error):
        self.noted.append((route, error.code))


async def test_the_account_hears_that_its_proxy_let_nothing_through(sessions):
    access = _Noting("socks5://me:secret@127.0.0.1:9")

    with pytest.raises(ProxyFault):
        await Client(sessions, base_url="http://127.0.0.1:8", access=access).request("GET", "/")
    with pytest.raises(ProxyFault):
        await anext(Client(sessions, base_url="http://127.0.0.1:8", access=access).stream("/file"))

    assert access.noted == [(access.route(), "proxy_fault")] * 2
    assert access.route().name == "socks5://127.0.0.1:9"


def _refuses(*answers):
    """A SOCKS5 or HTTP proxy that lets us in, and then says no: *answers* in turn to what is sent."""

    async def speak(reader, writer):
        for answer in answers:
            await reader.read(1000)
            writer.write(answer)

    return speak


@pytest.mark.parametrize(
    ("scheme", "answers", "fault"),
    [
        ("socks5", (b"\x05\x00", b"\x05\x04\x00\x01" + bytes(6)), ConnectFault),  # host unreachable
        ("socks5", (b"\x05\x00", b"\x05\x05\x00\x01" + bytes(6)), ConnectFault),  # connection refused
        ("socks5", (b"\x05\x00", b"\x05\x02\x00\x01" + bytes(6)), ProxyFault),  # not allowed by its rules
        ("socks5", (b"\x05\xff",), ProxyFault),  # no acceptable method
        ("socks4", (b"\x00\x5b" + bytes(6),), ConnectFault),  # rejected or failed
        ("socks4", (b"\x00\x5d" + bytes(6),), ProxyFault),  # the user is not who it says
        ("http", (b"HTTP/1.1 502 Bad Gateway\r\n\r\n",), ConnectFault),
        ("http", (b"HTTP/1.1 403 Forbidden\r\n\r\n",), ProxyFault),
        ("http", (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",), ProxyFault),
        ("http", (b"no http at all\r\n\r\n",), ProxyFault),
    ],
)
async def test_what_a_proxy_says_tells_whose_fault_it_is(sessions, listen, scheme, answers, fault):
    access = Fixed(proxy=f"{scheme}://127.0.0.1:{await listen(_refuses(*answers))}")

    with pytest.raises(ConnectFault) as caught:
        await Client(sessions, base_url="http://127.0.0.1:9", access=access).request("POST", "/", json={})

    assert type(caught.value) is fault


async def test_an_unknown_engine_is_not_the_proxys_fault(sessions, start_proxy):
    proxy = await start_proxy("socks5")
    access = Fixed(proxy=f"socks5://127.0.0.1:{proxy.port}")

    with pytest.raises(ConnectFault) as caught:
        await Client(sessions, base_url="http://no-such-host.invalid", access=access).request("GET", "/")

    assert type(caught.value) is ConnectFault


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
async def test_a_link_elsewhere_is_looked_up_by_the_proxy_alone(sessions, serve, start_proxy, scheme):
    engine, other, proxy = await serve(), await serve(), await start_proxy(scheme.removesuffix("h"))
    access = Fixed(proxy=f"{scheme}://127.0.0.1:{proxy.port}")
    client = Client(sessions, base_url=engine.url, access=access, fetch=GuardedFetch())

    await anext(client.stream(f"http://files.far.test:{other.port}/clip.mp4"))

    assert "files.far.test" in proxy.asked[0]
    assert len(other.requests) == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::1]", "localhost", "printer", "a.local", "db.internal."],
)
async def test_a_link_to_something_near_the_proxy_is_refused(sessions, start_proxy, host):
    proxy = await start_proxy("socks5")
    access = Fixed(proxy=f"socks5h://127.0.0.1:{proxy.port}")
    client = Client(sessions, base_url="http://127.0.0.1:9", access=access, fetch=GuardedFetch())

    with pytest.raises(EngineFault):
        await anext(client.stream(f"http://{host}:8/clip.mp4"))

    assert proxy.asked == []


async def _reaches_nothing(reader, writer):
    """Speak SOCKS5 as far as the answer "host unreachable"."""
    await reader.readexactly(3)
    writer.write(b"\x05\x00")
    await reader.readexactly(10)
    writer.write(b"\x05\x04\x00\x01" + bytes(6))


async def _hangs_up(reader, writer):
    await reader.readexactly(3)


@pytest.mark.parametrize("broken", [_reaches_nothing, _hangs_up])
async def test_a_proxy_that_opens_no_way_means_that_nothing_was_sent(sessions, listen, broken):
    proxy = f"socks5://127.0.0.1:{await listen(broken)}"

    with pytest.raises(ConnectFault):
        await Client(sessions, base_url="http://127.0.0.1:9", access=Fixed(proxy=proxy)).request("POST", "/", json={})


async def test_one_connection_through_the_proxy_serves_many_requests(sessions, serve, start_proxy):
    target, proxy = await serve(), await start_proxy("socks5")
    client = Client(sessions, base_url=target.url, access=Fixed(proxy=f"socks5://127.0.0.1:{proxy.port}"))

    for _ in range(20):
        await client.request("GET", "/")

    assert len(proxy.asked) == 1
    assert len(target.requests) == 20


async def test_tls_through_a_proxy_names_the_host_though_an_address_is_dialled(listen, start_proxy):
    names: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    async def nothing(reader, writer):
        await reader.read()

    port, proxy = await listen(nothing, ssl=context), await start_proxy("socks5")
    connector = tunnel(f"socks5h://127.0.0.1:{proxy.port}", pins={"pinned.test": "127.0.0.1"})

    with pytest.raises(ConnectFault):
        await connector._connect_via_proxy("pinned.test", port, ssl=ssl.create_default_context(), timeout=5)
    await connector.close()

    assert names == ["pinned.test"]
    assert f"127.0.0.1:{port}" in proxy.asked[0]


@pytest.mark.parametrize(
    "wrong", ["", "127.0.0.1:1080", "ftp://127.0.0.1:21", "socks5://", "socks5://host:port", "direct"]
)
async def test_what_is_no_url_of_a_proxy_is_refused(wrong):
    sessions = Sessions()

    with pytest.raises(InvalidValue) as caught:
        sessions.get(wrong)
    await sessions.close()

    assert caught.value.param == "proxy"
