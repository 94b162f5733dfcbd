"""What is kept of each call, and what never is."""

import asyncio
from ipaddress import ip_network

import pytest
from aiohttp import web

from sora2api import errors
from sora2api.egress import JOB, Client, Fixed, FormField, GuardedFetch


class _Renewing(Fixed):
    """Has another token each time that one is rejected, as long as there are any."""

    def __init__(self, *tokens):
        super().__init__()
        self._tokens = list(tokens)

    @property
    def token(self):
        return self._tokens[0]

    async def renewed(self, rejected):
        if rejected == self._tokens[0] and len(self._tokens) > 1:
            del self._tokens[0]
        return rejected != self._tokens[0]


async def _wants_second(request):
    if request.headers.get("Authorization") != "Bearer second":
        return web.Response(status=401)
    return web.Response(body=await request.read() or b"the file")


async def test_a_call_is_told_of_with_its_sizes_and_without_its_secrets(sessions, serve, start_proxy):
    calls, proxy = [], await start_proxy("socks5", "me:hidden")
    target = await serve()
    base = target.url.replace("http://", "http://who:hidden@")
    access = Fixed(proxy=f"socks5://me:hidden@127.0.0.1:{proxy.port}")
    client = Client(sessions, base_url=base, access=access, trace=calls.append, account="acc_1")

    JOB.set("video_1")
    reply = await client.request("POST", "/videos", json={"prompt": "hidden"}, params={"key": "hidden"})
    JOB.set(None)

    (call,) = calls
    assert (call.account_id, call.job_id, call.method) == ("acc_1", "video_1", "POST")
    assert (call.status, call.code) == (200, None)
    assert call.url == target.url + "/videos"
    assert call.proxy == f"socks5://127.0.0.1:{proxy.port}"
    assert call.bytes_sent == len(b'{"prompt":"hidden"}')
    assert call.bytes_received == len(reply.body)
    assert 0 < call.took < 10
    assert "hidden" not in repr(call)


async def test_a_call_that_fails_is_told_of_with_our_code(sessions, listen):
    calls = []

    async def hangs_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")

    port = await listen(hangs_up)
    for url in (f"http://127.0.0.1:{port}", "http://127.0.0.1:9"):
        with pytest.raises(errors.NetworkFault):
            await Client(sessions, base_url=url, access=Fixed(), trace=calls.append).request("POST", "/", json={"a": 1})

    assert [(call.code, call.bytes_sent, call.status) for call in calls] == [
        ("network_fault", 7, None),
        ("engine_unreachable", 0, None),
    ]


async def test_each_hop_of_a_stream_is_a_call_of_its_own(sessions, serve):
    calls = []

    async def away(request):
        if request.path == "/first":
            raise web.HTTPFound("/second")
        return web.Response(body=bytes(1000))

    target = await serve(away)
    client = Client(sessions, base_url=target.url, access=Fixed(), trace=calls.append)

    async for _ in client.stream("/first?signature=hidden"):
        pass

    assert [(call.url.removeprefix(target.url), call.status) for call in calls] == [("/first", 302), ("/second", 200)]
    assert calls[1].bytes_received == 1000


async def test_a_call_that_is_broken_off_is_told_of(sessions, listen):
    calls, asked = [], asyncio.Event()

    async def silent(reader, writer):
        asked.set()
        await reader.read()

    port = await listen(silent)
    client = Client(sessions, base_url=f"http://127.0.0.1:{port}", access=Fixed(), trace=calls.append)
    asking = asyncio.create_task(client.request("GET", "/"))
    await asked.wait()
    asking.cancel()
    await asyncio.wait((asking,))

    assert [call.code for call in calls] == ["cancelled"]


async def test_a_rejected_token_is_renewed_and_the_whole_body_sent_again(sessions, serve, tmp_path):
    calls, picture = [], tmp_path / "picture"
    picture.write_bytes(b"PNG" * 1000)
    target = await serve(_wants_second)
    client = Client(sessions, base_url=target.url, access=_Renewing("first", "second"), trace=calls.append)

    reply = await client.request("POST", "/videos", form=[FormField("image", picture)])

    assert picture.read_bytes() in reply.body
    assert [call.status for call in calls] == [401, 200]


async def test_a_stream_with_a_rejected_token_begins_again_with_another(sessions, serve):
    target = await serve(_wants_second)
    client = Client(sessions, base_url=target.url, access=_Renewing("first", "second"))

    assert [chunk async for chunk in client.stream("/content")] == [b"the file"]


async def test_a_token_that_is_rejected_again_is_not_sent_a_third_time(sessions, serve):
    target = await serve(_wants_second)
    client = Client(sessions, base_url=target.url, access=_Renewing("first", "next", "second"))

    assert (await client.request("GET", "/")).status == 401
    assert len(target.requests) == 2


async def test_a_link_elsewhere_that_wants_a_token_renews_none(sessions, serve):
    other = await serve(_wants_second)
    access = _Renewing("first", "second")
    client = Client(
        sessions, base_url="http://127.0.0.1:9", access=access, fetch=GuardedFetch(allow=(ip_network("127.0.0.0/8"),))
    )

    with pytest.raises(errors.EngineFault):
        await anext(client.stream(other.url))

    assert len(other.requests) == 1
    assert access.token == "first"
