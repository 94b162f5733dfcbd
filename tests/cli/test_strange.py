"""`sora2api generate` at servers that answer what nobody foresaw: a sentence, and nothing that is in the way later."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from commands import ran

GONE = {"error": {"code": "not_found", "message": "There is no such video here."}}


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Its address, and what it answers: by the last word of a path."""
    answers: dict[str, Any] = {"models": {"data": []}}

    async def answer(request: web.Request) -> web.Response:
        said = answers.get(request.path.rpartition("/")[2])
        return web.json_response(GONE if said is None else said, status=404 if said is None else 200)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")), answers


async def asked(address: str, folder, model: str) -> str:
    """The error of a request for a heron."""
    command = ("generate", "A heron", "--model", model, "-o", "heron", "--server", address, "--patience", "0")
    return (await asyncio.to_thread(ran, *command, cwd=folder, status=1)).stderr


@pytest.mark.parametrize(
    ("model", "answer", "said"),
    [
        ("sora-2", {}, "answered without a job"),
        ("gpt-image-1", {}, "answered without a file"),
        ("gpt-image-1", {"choices": []}, "answered without a file"),
        ("gpt-image-1", {"data": [{"b64_json": "abc"}]}, "is no base64"),
    ],
)
async def test_an_answer_with_nothing_in_it_is_said(server, tmp_path, model, answer, said):
    address, answers = server
    answers["videos"] = answers["generations"] = answer

    assert said in await asked(address, tmp_path, model)


async def test_a_job_that_does_not_say_its_id_again_is_followed(server, tmp_path):
    address, answers = server
    answers |= {"videos": {"id": "video_1", "status": "queued"}, "video_1": {"status": "completed"}}

    assert "job watch video_1" in await asked(address, tmp_path, "sora-2")


@pytest.mark.parametrize("progress", ["50%", "half", None, [50], "inf"])
async def test_a_job_is_followed_however_its_progress_is_said(server, tmp_path, progress):
    address, answers = server
    answers |= {"videos": {"id": "video_1", "status": "queued", "progress": progress}}
    answers |= {"video_1": {"status": "failed", "error": {"message": "No herons here."}}}

    assert "No herons here." in await asked(address, tmp_path, "sora-2")


async def test_a_job_that_is_gone_is_asked_for_anew_by_the_run_after(server, tmp_path):
    address, answers = server
    answers["videos"] = {"id": "video_1", "status": "completed"}
    await asked(address, tmp_path, "sora-2")
    assert (tmp_path / "heron.job").exists()

    assert "There is no such video here." in await asked(address, tmp_path, "sora-2")
    assert not (tmp_path / "heron.job").exists()


async def test_a_watched_job_goes_to_standard_output(server, tmp_path):
    address, answers = server
    answers |= {"video_1": {"status": "completed"}, "content": {"a": "file"}}
    watch = ("job", "watch", "video_1", "--server", address, "-o", "-")

    done = await asyncio.to_thread(ran, *watch, cwd=tmp_path)
    refused = await asyncio.to_thread(ran, *watch, "--json", cwd=tmp_path, status=2)

    assert (done.stdout, list(tmp_path.iterdir())) == ('{"a": "file"}', [])
    assert "Standard output takes the file or JSON" in refused.stderr
