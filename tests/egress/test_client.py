"""An account's calls: what is sent, where the token goes, and what each failure is called."""

import asyncio
import struct
import time
from email.utils import formatdate
from ipaddress import ip_network

import pytest
from aiohttp import web
from multidict import CIMultiDict

from sora2api import errors
from sora2api.egress import Client, Fixed, FormField, GuardedFetch, refusal

LOOPBACK = (ip_network("127.0.0.0/8"),)


async def _all(stream) -> bytes:
    return b"".join([chunk async for chunk in stream])


@pytest.mark.parametrize("ending", ["/v1", "/v1/"])
async def test_a_path_is_below_the_base_url_however_that_ends(sessions, serve, ending):
    target = await serve()

    reply = await Client(sessions, base_url=target.url + ending, access=Fixed()).request("GET", "/videos/a%2Fb")

    assert reply.json()["path"] == "/v1/videos/a%2Fb"


@pytest.mark.parametrize("wrong", ["", "engine:8000", "ftp://engine/v1", "http://", "http://host:port"])
async def test_a_base_url_that_is_none_is_refused(sessions, wrong):
    with pytest.raises(errors.InvalidValue) as caught:
        Client(sessions, base_url=wrong, access=Fixed())

    assert caught.value.param == "base_url"


async def test_a_form_goes_in_order_with_a_known_length_and_untyped_texts(sessions, serve, tmp_path):
    parts = []

    async def read(request):
        parts.append(request.content_length)
        parts.extend(
            [
                (part.name, part.filename, part.headers.get("Content-Type"), bytes(await part.read()))
                async for part in await request.multipart()
            ]
        )
        return web.Response()

    picture = tmp_path / "kept"
    picture.write_bytes(b"PNG" * 100_000)
    target = await serve(read)
    form = [
        FormField("model", "wan"),
        FormField("prompt", "кот 猫"),
        FormField("image[]", picture, "i.png", "image/png"),
    ]

    await Client(sessions, base_url=target.url, access=Fixed()).request("POST", "/videos", form=form)

    assert parts[0] > 300_000
    assert parts[1:] == [
        ("model", None, None, b"wan"),
        ("prompt", None, None, "кот 猫".encode()),
        ("image[]", "i.png", "image/png", picture.read_bytes()),
    ]


async def test_the_token_goes_as_the_engine_wants_it(sessions, serve):
    target = await serve()
    client = Client(sessions, base_url=target.url, access=Fixed("t0"))

    await client.request("GET", "/")
    await client.with_auth(header="api-key", scheme="").request("GET", "/")

    assert target.requests[0].headers["Authorization"] == "Bearer t0"
    assert target.requests[1].headers["api-key"] == "t0"
    assert "Authorization" not in target.requests[1].headers


async def test_a_token_takes_the_place_of_a_password_in_the_base_url(sessions, serve):
    target = await serve()
    base_url = target.url.replace("://", "://me:pa55word@")

    await Client(sessions, base_url=base_url, access=Fixed("sk-1")).request("GET", "/models")
    await Client(sessions, base_url=base_url, access=Fixed()).request("GET", "/models")

    assert target.requests[0].headers["Authorization"] == "Bearer sk-1"
    assert target.requests[1].headers["Authorization"].startswith("Basic ")


async def test_a_refusal_that_repeats_the_token_is_passed_on_without_it(sessions, serve):
    async def refuse(request):
        said = f"Incorrect API key: {request.headers['Authorization']}"
        return web.json_response({"error": {"message": said}}, status=401)

    target = await serve(refuse)
    reply = await Client(sessions, base_url=target.url, access=Fixed("sk-secret")).request("GET", "/")

    assert reply.json()["error"]["message"] == "Incorrect API key: Bearer ***"


async def test_a_body_that_is_no_json_is_the_engines_fault(sessions, serve):
    async def html(request):
        return web.Response(text="<html>")

    target = await serve(html)
    reply = await Client(sessions, base_url=target.url, access=Fixed()).request("GET", "/")

    with pytest.raises(errors.EngineFault):
        reply.json()


async def test_a_closed_port_and_an_unknown_name_mean_that_nothing_was_sent(sessions):
    for url in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        with pytest.raises(errors.ConnectFault):
            await Client(sessions, base_url=url, access=Fixed()).request("POST", "/", json={})


async def test_a_failed_handshake_means_that_nothing_was_sent(sessions, serve):
    target = await serve()

    with pytest.raises(errors.ConnectFault):
        await Client(sessions, base_url=f"https://127.0.0.1:{target.port}", access=Fixed()).request(
            "POST", "/", json={}
        )


async def _resets(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: close by a reset


async def _hangs_up(reader, writer):
    await reader.readuntil(b"\r\n\r\n")


async def _stops_short(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def _babbles(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\x01 no http at all\r\n\r\n")


@pytest.mark.parametrize("broken", [_resets, _hangs_up, _stops_short, _babbles])
async def test_what_breaks_after_sending_leaves_open_whether_it_was_taken(sessions, listen, broken):
    port = await listen(broken)

    with pytest.raises(errors.NetworkFault) as caught:
        await Client(sessions, base_url=f"http://127.0.0.1:{port}", access=Fixed()).request("POST", "/", json={})

    assert not isinstance(caught.value, errors.ConnectFault)


async def test_an_answer_that_does_not_come_leaves_open_whether_it_was_taken(sessions, listen):
    never = asyncio.Event()

    async def silent(reader, writer):
        await never.wait()

    port = await listen(silent)
    with pytest.raises(errors.NetworkFault) as caught:
        await Client(sessions, base_url=f"http://127.0.0.1:{port}", access=Fixed()).request("GET", "/", timeout=0.1)
    never.set()

    assert not isinstance(caught.value, errors.ConnectFault)


async def test_a_link_from_the_root_is_on_the_engines_origin_and_gets_the_token(sessions, serve):
    target = await serve()
    client = Client(sessions, base_url=target.url + "/v1", access=Fixed("t0"))

    body = await _all(client.stream("/v1/images/i/content"))

    assert b"/v1/images/i/content" in body
    assert target.requests[0].headers["Authorization"] == "Bearer t0"


async def test_a_link_elsewhere_goes_without_the_token(sessions, serve):
    engine, other = await serve(), await serve()
    client = Client(sessions, base_url=engine.url, access=Fixed("t0"), fetch=GuardedFetch(allow=LOOPBACK))

    await _all(client.stream(other.url + "/file.mp4"))

    assert "Authorization" not in other.requests[0].headers


@pytest.mark.parametrize("guard", [None, GuardedFetch()])
async def test_a_link_to_a_private_address_elsewhere_is_not_followed(sessions, serve, guard):
    engine, other = await serve(), await serve()
    client = Client(sessions, base_url=engine.url, access=Fixed("t0"), fetch=guard)

    with pytest.raises(errors.EngineFault):
        await _all(client.stream(other.url + "/file.mp4"))

    assert other.requests == []


async def test_a_redirect_elsewhere_drops_the_token_and_one_to_a_private_address_is_not_followed(sessions, serve):
    other = await serve()

    async def away(request):
        raise web.HTTPFound(other.url + "/file.mp4")

    engine = await serve(away)
    open_one = Client(sessions, base_url=engine.url, access=Fixed("t0"), fetch=GuardedFetch(allow=LOOPBACK))
    guarded = Client(sessions, base_url=engine.url, access=Fixed("t0"), fetch=GuardedFetch())

    await _all(open_one.stream("/content"))
    with pytest.raises(errors.EngineFault):
        await _all(guarded.stream("/content"))

    assert len(other.requests) == 1
    assert "Authorization" not in other.requests[0].headers


async def test_a_link_elsewhere_goes_by_the_accounts_proxy(sessions, serve, start_proxy):
    engine, other, proxy = await serve(), await serve(), await start_proxy("socks5")
    client = Client(
        sessions,
        base_url=engine.url,
        access=Fixed("t0", proxy=f"socks5h://127.0.0.1:{proxy.port}"),
        fetch=GuardedFetch(allow=LOOPBACK),
    )

    await _all(client.stream(other.url + "/file.mp4"))

    assert len(proxy.asked) == len(other.requests) == 1


async def test_a_ring_of_redirects_ends(sessions, serve):
    async def again(request):
        raise web.HTTPFound("/again")

    engine = await serve(again)

    with pytest.raises(errors.EngineFault):
        await _all(Client(sessions, base_url=engine.url, access=Fixed()).stream("/again"))

    assert len(engine.requests) == 6


async def test_a_stream_begins_at_its_offset(sessions, serve, tmp_path):
    file = tmp_path / "clip.mp4"
    file.write_bytes(bytes(range(256)) * 4096)

    async def send(request):
        return web.FileResponse(file)

    engine = await serve(send)
    client = Client(sessions, base_url=engine.url, access=Fixed())

    assert await _all(client.stream("/content", offset=700_000)) == file.read_bytes()[700_000:]
    with pytest.raises(errors.BadRequest):
        await _all(client.stream("/content", offset=file.stat().st_size))


async def test_a_server_that_ignores_the_offset_is_not_taken_at_its_word(sessions, serve):
    engine = await serve()

    with pytest.raises(errors.BadRequest):
        await _all(Client(sessions, base_url=engine.url, access=Fixed()).stream("/content", offset=1))


@pytest.mark.parametrize(
    ("status", "own", "elsewhere"),
    [
        (404, errors.TaskLost, errors.TaskLost),
        (403, errors.AccountRejected, errors.EngineFault),
        (503, errors.EngineBusy, errors.EngineBusy),
        (500, errors.EngineFault, errors.EngineFault),
    ],
)
async def test_a_status_means_what_it_means_where_it_comes_from(sessions, serve, status, own, elsewhere):
    async def answer(request):
        return web.Response(status=status)

    target = await serve(answer)
    here = Client(sessions, base_url=target.url, access=Fixed("t0"))
    there = Client(sessions, base_url="http://127.0.0.1:9", access=Fixed("t0"), fetch=GuardedFetch(allow=LOOPBACK))

    with pytest.raises(own):
        await _all(here.stream("/content"))
    with pytest.raises(elsewhere):
        await _all(there.stream(target.url + "/content"))


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5, 1.5),
        ({"Retry-After": "7"}, 7, 7),
        ({"retry-after": "0.5"}, 0.5, 0.5),
        ({"Retry-After": "-3"}, 0, 0),
    ],
)
def test_the_time_to_wait_is_read_in_each_of_its_forms(headers, least, most):
    error = refusal(429, CIMultiDict(headers))

    assert isinstance(error, errors.RateLimited)
    assert error.retry_after is not None
    assert least <= error.retry_after <= most


def test_the_time_to_wait_may_be_told_as_a_moment():
    error = refusal(429, CIMultiDict({"Retry-After": formatdate(time.time() + 60, usegmt=True)}))

    assert error.retry_after is not None
    assert 50 < error.retry_after <= 61


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": ""}])
def test_a_time_to_wait_that_is_none_is_left_out(headers):
    assert refusal(503, CIMultiDict(headers)).retry_after is None
