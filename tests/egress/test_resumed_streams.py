"""A transfer that broke goes on with the very file that was begun, or not at all."""

import pytest
from aiohttp import web

from sora2api import errors
from sora2api.egress import Client, Fixed

OLD, NEW = b"old" * 1000, b"new" * 1000


async def _all(stream) -> bytes:
    return b"".join([chunk async for chunk in stream])


@pytest.fixture
async def file(serve):
    """A server of one file that can be exchanged: its engine, and what it serves by which headers."""
    served = {"body": OLD, "headers": {"ETag": '"1"'}, "heeds": True}

    async def send(request):
        body, headers = served["body"], served["headers"]
        condition = request.headers.get("If-Range")
        part = request.http_range
        changed = condition is not None and condition not in headers.values()
        if part.start is None or (served["heeds"] and changed):
            return web.Response(body=body, headers=headers)
        said = {"Content-Range": f"bytes {part.start}-{len(body) - 1}/{len(body)}"}
        return web.Response(status=206, body=body[part.start :], headers=headers | said)

    return await serve(send), served


@pytest.mark.parametrize(
    "headers",
    [{"ETag": '"1"'}, {"Last-Modified": "Wed, 01 Jul 2026 10:00:00 GMT"}, {"ETag": 'W/"1"'}, {}],
    ids=["tag", "date", "weak tag", "nothing"],
)
async def test_a_transfer_goes_on_where_it_broke(sessions, file, headers):
    engine, served = file
    served["headers"] = headers
    client = Client(sessions, base_url=engine.url, access=Fixed())
    await _all(client.stream("/content"))

    assert await _all(client.stream("/content", offset=2000)) == OLD[2000:]
    strong = headers.get("ETag", "").startswith('"') or "Last-Modified" in headers
    assert ("If-Range" in engine.requests[-1].headers) == strong


@pytest.mark.parametrize("heeds", [True, False], ids=["If-Range heeded", "If-Range ignored"])
async def test_a_file_that_has_changed_is_not_gone_on_with(sessions, file, heeds):
    engine, served = file
    client = Client(sessions, base_url=engine.url, access=Fixed())
    await _all(client.stream("/content"))
    served |= {"body": NEW, "headers": {"ETag": '"2"'}, "heeds": heeds}

    with pytest.raises(errors.BadRequest):
        await _all(client.stream("/content", offset=2000))

    assert await _all(client.stream("/content")) == NEW
    assert await _all(client.stream("/content", offset=2000)) == NEW[2000:]


async def test_another_part_than_was_asked_for_is_not_taken(sessions, serve):
    async def send(_request):
        return web.Response(status=206, body=OLD[:10], headers={"Content-Range": "bytes 0-9/3000"})

    client = Client(sessions, base_url=(await serve(send)).url, access=Fixed())

    with pytest.raises(errors.BadRequest):
        await _all(client.stream("/content", offset=2000))
