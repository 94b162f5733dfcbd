"""How long `sora2api generate` waits for a server that went away: the time when all was well is not counted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sora2api.cli.download import Unwritten, fetch
from sora2api.cli.follow import follow
from sora2api.cli.remote import Form, Remote

PATIENCE = 1.0
LONG = 1.5


class Torn:
    """A server that breaks the first answer to each request off, after more time than patience lasts."""

    def __init__(self) -> None:
        self.asked = 0

    async def models(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "sora-image", "owned_by": "sora2api"}]})

    async def image(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.asked == 1:
            await asyncio.sleep(LONG)
            self._break(request)
        return web.json_response({"data": [{"url": "/there"}]})

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(3 if self.asked == 1 else 0):
            await response.write(b": alive\n\n")
            await asyncio.sleep(LONG / 3)
        if self.asked == 1:
            self._break(request)
        await response.write(b'data: {"type": "ended", "number": 1}\n\n')
        return response

    async def video(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": "video_1", "status": "completed"})

    async def file(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"a file")

    @staticmethod
    def _break(request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()


class FullDisk:
    """A sink on a disk with no room."""

    size = 0
    etag = None

    async def begin(self, _etag: str | None) -> None: ...
    async def end(self) -> None: ...
    def close(self) -> None: ...

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(Path("/dev/full").write_bytes, data)


@pytest.fixture
async def torn() -> AsyncIterator[tuple[Torn, Remote]]:
    torn, app = Torn(), web.Application()
    app.router.add_get("/v1/models", torn.models)
    app.router.add_post("/v1/images/generations", torn.image)
    app.router.add_get("/v1/videos/video_1/events", torn.events)
    app.router.add_get("/v1/videos/video_1", torn.video)
    app.router.add_get("/v1/videos/video_1/content", torn.file)
    async with TestServer(app) as server, Remote(str(server.make_url("/")), None, patience=PATIENCE) as remote:
        await remote.models()
        yield torn, remote


async def test_a_job_that_waited_long_is_followed_on_when_its_server_restarts(torn):
    server, remote = torn
    queued = {"id": "video_1", "status": "queued", "events_url": "/v1/videos/video_1/events"}

    video = await follow(remote, queued, lambda _: None)

    assert (video["status"], server.asked) == ("completed", 2)


async def test_an_image_that_took_long_is_asked_for_again_when_its_server_restarts(torn):
    server, remote = torn

    answer = await remote.post("images/generations", Form(fields={"prompt": "A heron"}), once="1")

    assert (answer, server.asked) == ({"data": [{"url": "/there"}]}, 2)


async def test_a_full_disk_is_said_and_not_waited_for(torn):
    _, remote = torn

    with pytest.raises(Unwritten, match="No space left on device"):
        await fetch(remote, "videos/video_1/content", FullDisk(), lambda *_: None)
