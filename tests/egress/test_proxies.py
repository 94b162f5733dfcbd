"""Calls by proxy, through real SOCKS and HTTP proxies."""

import ssl

import pytest

from sora2api.egress import Client, Fixed
from sora2api.egress.proxies import tunnel
from sora2api.egress.sessions import Sessions
from sora2api.errors import ConnectFault, InvalidValue


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


@pytest.mark.parametrize("protocol", ["socks5", "http"])
async def test_a_proxy_that_rejects_the_credentials_means_that_nothing_was_sent(sessions, serve, start_proxy, protocol):
    target, proxy = await serve(), await start_proxy(protocol, "me:secret")
    wrong = f"{protocol}://me:guess@127.0.0.1:{proxy.port}"

    with pytest.raises(ConnectFault):
        await Client(sessions, base_url=target.url, access=Fixed(proxy=wrong)).request("POST", "/", json={})

    assert target.requests == []


@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h", "http"])
async def test_nothing_goes_direct_when_the_proxy_is_down(sessions, serve, scheme):
    target = await serve()
    client = Client(sessions, base_url=target.url, access=Fixed(proxy=f"{scheme}://127.0.0.1:9"))

    with pytest.raises(ConnectFault):
        await client.request("POST", "/", json={})

    assert target.requests == []


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
