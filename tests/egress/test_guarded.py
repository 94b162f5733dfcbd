"""The guarded fetch reaches the open internet and nothing nearer, however an address is spelled."""

import asyncio
import ipaddress
import socket
import ssl

import pytest
from aiohttp import web
from yarl import URL

from sora2api.egress import GuardedFetch, Route
from sora2api.egress.guarded import is_public
from sora2api.errors import LinkNotFetched, LinkRefused, TooLarge

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.0.9", "169.254.169.254", "172.16.0.1"),
        *("192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1"),
        *("239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
        *("64:ff9b:1::a00:1", "2002:7f00:1::1", "2002:a00:1::1", "2001:0:7f00:1::1", "100::1", "5f00::1"),
    ],
)
def test_an_address_of_something_near_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_an_address_of_the_open_internet_is_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "2130706433", "017700000001", "0x7f000001"),
        *("0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "0", "0.0.0.0"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "example.com@127.0.0.1", "user:secret@localhost", "127.0.0.1."),
        *("①②⑦.0.0.1", "%6c%6f%63%61%6c%68%6f%73%74", "127.0.0.1%00.example.com", "[::1%25lo]"),
    ],
)
async def test_no_spelling_of_a_near_address_is_fetched(serve, tmp_path, host):
    target = await serve()
    file = tmp_path / "fetched"

    with pytest.raises((LinkRefused, LinkNotFetched)):
        await GuardedFetch().fetch(f"http://{host}:{target.port}/", file, limit=100)

    assert target.requests == []
    assert not file.exists()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/a", "data:,x", "//example.com", "", "http:///x"]
)
async def test_only_http_is_fetched(tmp_path, url):
    with pytest.raises(LinkRefused):
        await GuardedFetch().fetch(url, tmp_path / "fetched", limit=100)


@pytest.mark.parametrize("location", ["http://127.0.0.1:{}/", "http://0x7f.1:{}/", "file:///etc/passwd", "gopher://a"])
async def test_a_redirect_is_checked_like_the_first_link(serve, tmp_path, monkeypatch, location):
    near = await serve()

    async def lead(request):
        return web.Response(status=302, headers={"Location": location.format(near.port)})

    far = await serve(lead)
    _resolve(monkeypatch, {"far.test": "127.0.0.2"})
    only_far = GuardedFetch(allow=[ipaddress.ip_network("127.0.0.2/32")])

    with pytest.raises((LinkRefused, LinkNotFetched)):
        await only_far.fetch(f"http://far.test:{far.port}/", tmp_path / "fetched", limit=100)

    assert near.requests == []


def _resolve(monkeypatch, names):
    """Answer for *names* as a name server would: each lookup takes the next of the addresses, separated by commas."""
    asked = []
    real = socket.getaddrinfo
    left = {name: addresses.split(" then ") for name, addresses in names.items()}

    def answer(host, *args, **options):
        asked.append(host)
        if host not in left:
            return real(host, *args, **options)
        addresses = left[host].pop(0) if len(left[host]) > 1 else left[host][0]
        return [found for address in addresses.split(",") for found in real(address, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


async def test_a_name_that_turns_near_after_the_check_gains_nothing(serve, tmp_path, monkeypatch):
    target = await serve()
    asked = _resolve(monkeypatch, {"rebinds.test": "127.0.0.1 then 127.0.0.5"})
    url = f"http://rebinds.test:{target.port}/picture.png"

    fetched = await GuardedFetch(allow=[ipaddress.ip_network("127.0.0.1/32")]).fetch(
        url, tmp_path / "fetched", limit=1000
    )

    assert asked.count("rebinds.test") == 1
    assert target.requests[0].host == f"rebinds.test:{target.port}"
    assert fetched.url == url


async def test_one_near_address_among_several_is_enough_to_refuse(serve, tmp_path, monkeypatch):
    target = await serve()
    _resolve(monkeypatch, {"mixed.test": "127.0.0.1,10.0.0.1"})

    with pytest.raises(LinkRefused):
        await GuardedFetch(allow=LOOPBACK).fetch(f"http://mixed.test:{target.port}/", tmp_path / "f", limit=1000)

    assert target.requests == []


async def test_tls_names_the_host_though_the_checked_address_is_dialled(listen, monkeypatch):
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    async def nothing(reader, writer):
        await reader.read()

    port = await listen(nothing, ssl=context)
    _resolve(monkeypatch, {"named.test": "127.0.0.1"})

    with pytest.raises(OSError, match=r"named\.test"):
        async with GuardedFetch(allow=LOOPBACK).hop(URL(f"https://named.test:{port}/")):
            pass

    assert names == ["named.test"]


async def test_a_proxy_is_asked_for_the_address_that_was_checked(serve, start_proxy, tmp_path):
    target, proxy = await serve(), await start_proxy("http")
    guard = GuardedFetch(allow=LOOPBACK, route=lambda: Route(f"http://127.0.0.1:{proxy.port}"))

    await guard.fetch(f"http://localhost:{target.port}/a.png", tmp_path / "fetched", limit=1000)

    assert f"127.0.0.1:{target.port}" in proxy.asked[0]
    assert "localhost" not in proxy.asked[0]
    assert target.requests[0].host == f"localhost:{target.port}"


async def test_a_proxy_is_no_way_to_a_near_address(serve, start_proxy, tmp_path):
    target, proxy = await serve(), await start_proxy("socks5")
    guard = GuardedFetch(route=lambda: Route(f"socks5h://127.0.0.1:{proxy.port}"))

    with pytest.raises(LinkRefused):
        await guard.fetch(f"http://localhost:{target.port}/", tmp_path / "fetched", limit=1000)

    assert proxy.asked == []


async def test_a_signed_link_is_asked_for_as_it_was_signed(serve, tmp_path):
    target = await serve()
    signed = "/a%2Fb%3D/c.png?sig=%2Bx%2F%3D&e=a+b"

    await GuardedFetch(allow=LOOPBACK).fetch(target.url + signed, tmp_path / "fetched", limit=1000)

    assert target.requests[0].raw_path == signed


async def test_what_is_fetched_is_what_was_there(serve, tmp_path):
    content = bytes(range(256)) * 4000

    async def send(request):
        if request.path == "/moved":
            return web.Response(status=301, headers={"Location": "picture.png?a=b%20c"})
        return web.Response(body=content, content_type="image/png")

    target = await serve(send)
    file = tmp_path / "fetched"

    fetched = await GuardedFetch(allow=LOOPBACK).fetch(f"{target.url}/moved", file, limit=len(content))

    assert file.read_bytes() == content
    assert (fetched.size, fetched.content_type) == (len(content), "image/png")
    assert fetched.url == f"{target.url}/picture.png?a=b%20c"


@pytest.mark.parametrize("told", [True, False])
async def test_a_file_over_the_limit_is_given_up(serve, tmp_path, told):
    async def send(request):
        response = web.StreamResponse()
        if told:
            response.content_length = 2_000_000
        await response.prepare(request)
        await response.write(bytes(2_000_000))
        return response

    target = await serve(send)

    with pytest.raises(TooLarge):
        await GuardedFetch(allow=LOOPBACK).fetch(target.url, tmp_path / "fetched", limit=1_000_000)

    assert list(tmp_path.iterdir()) == []


async def test_what_cannot_be_fetched_is_named_so(serve, tmp_path, monkeypatch):
    async def fail(request):
        if request.path == "/ring":
            return web.Response(status=307, headers={"Location": "/ring"})
        if request.path == "/nowhere":
            return web.Response(status=302)
        return web.Response(status=404)

    target = await serve(fail)
    guard = GuardedFetch(allow=LOOPBACK)

    for url in (
        f"{target.url}/404",
        f"{target.url}/ring",
        f"{target.url}/nowhere",
        "http://127.0.0.1:9/",
        "http://no.invalid/",
    ):
        with pytest.raises(LinkNotFetched):
            await guard.fetch(url, tmp_path / "fetched", limit=100)


async def test_a_link_that_is_too_slow_is_given_up(serve, tmp_path):
    done = asyncio.Event()

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        await done.wait()
        return response

    target = await serve(drip)
    with pytest.raises(LinkNotFetched, match="slow"):
        await GuardedFetch(allow=LOOPBACK).fetch(target.url, tmp_path / "fetched", limit=100, timeout=0.2)
    done.set()

    assert list(tmp_path.iterdir()) == []


async def test_a_post_arrives_as_it_was_sent_and_follows_no_redirect(serve):
    received = []

    async def take(request):
        received.append((request.method, request.headers["webhook-id"], await request.read()))
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    target = await serve(take)

    status = await GuardedFetch(allow=LOOPBACK).post(target.url, body=b'{"a":1}', headers={"webhook-id": "x"})

    assert status == 307
    assert received == [("POST", "x", b'{"a":1}')]


async def test_a_post_goes_by_the_proxy(serve, start_proxy):
    target, proxy = await serve(), await start_proxy("http")
    guard = GuardedFetch(allow=LOOPBACK, route=lambda: Route(f"http://127.0.0.1:{proxy.port}"))

    assert await guard.post(f"{target.url}/hook", body=b"{}", headers={}) == 200

    assert f"127.0.0.1:{target.port}" in proxy.asked[0]


async def test_nothing_is_posted_to_a_near_address(serve):
    target = await serve()

    with pytest.raises(LinkRefused):
        await GuardedFetch().post(target.url, body=b"{}", headers={})
    with pytest.raises(LinkRefused):
        await GuardedFetch().check(target.url)
    await GuardedFetch(allow=LOOPBACK).check(target.url)

    assert target.requests == []


async def test_a_post_that_is_not_answered_in_time_is_given_up(serve):
    done = asyncio.Event()

    async def hang(request):
        await done.wait()
        return web.Response()

    target = await serve(hang)
    with pytest.raises(LinkNotFetched, match="slow"):
        await GuardedFetch(allow=LOOPBACK).post(target.url, body=b"{}", headers={}, timeout=0.2)
    done.set()
