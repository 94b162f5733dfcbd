"""Ctrl-C with --cancel-on-interrupt: what is known is said, and nothing is lost by what is not."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from commands import started, until


class Slow:
    """A server that begins two jobs, of which it cancels only the second, and never answers a third request."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled: list[str] = []
        self.keys: list[str] = []

    async def models(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "sora-2", "owned_by": "sora2api"}]})

    async def about(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": "sora-2", "makes": {"kind": "video"}})

    async def video(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.keys.append(request.headers["Idempotency-Key"])
        if self.asked > 2:
            await asyncio.Event().wait()
        return web.json_response({"id": f"video_{self.asked}", "status": "queued"})

    async def stands(self, request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["id"], "status": "queued"})

    async def cancel(self, request: web.Request) -> web.Response:
        job = request.match_info["id"]
        self.cancelled.append(job)
        if job == "video_1":
            return web.json_response({"error": {"code": "busy", "message": "Not now."}}, status=409)
        return web.json_response({"id": job, "status": "cancelled"})


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Slow, str]]:
    slow, app = Slow(), web.Application()
    app.router.add_get("/v1/models", slow.models)
    app.router.add_get("/v1/models/sora-2", slow.about)
    app.router.add_post("/v1/videos", slow.video)
    app.router.add_get("/v1/videos/{id}", slow.stands)
    app.router.add_post("/v1/videos/{id}/cancel", slow.cancel)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0)
    yield slow, str(server.make_url(""))
    await server.close()


def known(folder: Path) -> list[str]:
    """The jobs that notes know."""
    return sorted(str(json.loads(note.read_text())["job"]) for note in folder.glob("*.job"))


def interrupted(folder: Path, address: str, count: int, when: Callable[[], bool]) -> str:
    """What a command says that is interrupted."""
    command = ("generate", "A heron", "--model", "sora-2", "-n", str(count), "-o", "heron.mp4", "--server", address)
    process = started(*command, "--cancel-on-interrupt", cwd=folder)
    until(when)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    return err


async def test_a_job_that_cannot_be_cancelled_keeps_no_other_from_it(slow, tmp_path):
    server, address = slow

    said = await asyncio.to_thread(interrupted, tmp_path, address, 2, lambda: known(tmp_path) == ["video_1", "video_2"])

    assert sorted(server.cancelled) == ["video_1", "video_2"]
    assert "Cancelled: video_2." in said
    assert "video_1 was not cancelled: Not now." in said
    assert "job watch video_1" in said
    assert "job watch video_2" not in said
    assert known(tmp_path) == ["video_1"]


async def test_a_request_that_has_no_answer_yet_is_not_said_to_be_cancelled(slow, tmp_path):
    server, address = slow
    server.asked = 2

    first = await asyncio.to_thread(interrupted, tmp_path, address, 1, lambda: server.asked == 3)
    await asyncio.to_thread(interrupted, tmp_path, address, 1, lambda: server.asked == 4)

    assert "Cancelled" not in first
    assert "The server may be making what it was asked for" in first
    assert "Run the same command again" in first
    assert len(set(server.keys)) == 1
