"""A request that is sent twice is worked once, where it says so; and two that are meant are two."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from running import Running

pytestmark = pytest.mark.slow

BODY = {"prompt": "a cat", "model": "sora-2", "seconds": "1", "size": "1280x720"}
RETRY = {"x-stainless-retry-count": "1"}


@pytest.fixture
def server(tmp_path) -> Iterator[Running]:
    with Running("serve", tmp_path, "--sandbox-delay", "1") as server:
        yield server


@pytest.fixture
async def client(server) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": "Bearer han1234"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(server.url, headers=headers, connector=connector) as client:
        yield client


async def create(client, body=BODY, **headers: str) -> tuple[int, dict]:
    async with client.post("/v1/videos", json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def videos(client) -> list[str]:
    async with client.get("/v1/videos?limit=100") as reply:
        return [video["id"] for video in (await reply.json())["data"]]


async def test_50_requests_with_one_key_at_once_make_one_job_and_50_equal_replies(client):
    replies = await asyncio.gather(*(create(client, **{"Idempotency-Key": "once"}) for _ in range(50)))
    assert {status for status, _ in replies} == {200}
    assert all(said == replies[0][1] for _, said in replies)
    assert await videos(client) == [replies[0][1]["id"]]


async def test_the_same_key_with_another_request_is_refused(client):
    await create(client, **{"Idempotency-Key": "once"})
    status, said = await create(client, BODY | {"prompt": "a dog"}, **{"Idempotency-Key": "once"})
    assert (status, said["error"]["code"]) == (422, "idempotency_key_reused")


async def test_a_key_is_known_after_a_restart_and_in_another_form_of_the_same_request(tmp_path):
    with Running("serve", tmp_path, "--sandbox-delay", "0") as server:
        headers = {"Authorization": "Bearer han1234"}
        async with aiohttp.ClientSession(server.url, headers=headers) as client:
            _, first = await create(client, **{"Idempotency-Key": "once"})
    with Running("serve", tmp_path, "--sandbox-delay", "0") as server:
        async with aiohttp.ClientSession(server.url, headers=headers) as client:
            form = aiohttp.MultipartWriter("form-data")
            for name, value in BODY.items():
                form.append(value).set_content_disposition("form-data", name=name)
            async with client.post("/v1/videos", data=form, headers={"Idempotency-Key": "once"}) as reply:
                again = await reply.json()
    assert again["id"] == first["id"]  # its links name the port, which is another one now


async def test_two_equal_requests_that_are_meant_make_two_jobs(client):
    first, second = await create(client), await create(client)
    assert first[1]["id"] != second[1]["id"]


async def test_an_sdks_retry_of_a_request_that_was_answered_is_another_request(client):
    first, second = await create(client), await create(client, **RETRY)
    assert first[1]["id"] != second[1]["id"]


async def test_an_sdks_retry_takes_the_job_whose_reply_was_never_written_once(client):
    chat = {"model": "sora-video", "seconds": 1, "messages": [{"role": "user", "content": "a cat"}]}
    with pytest.raises(TimeoutError):
        await client.post("/v1/chat/completions", json=chat, timeout=aiohttp.ClientTimeout(0.5))

    retried = []
    for _ in range(2):
        async with client.post("/v1/chat/completions", json=chat, headers=RETRY) as reply:
            retried.append((await reply.json())["sora2api"]["job"])

    assert len(await videos(client)) == 2
    assert len(set(retried)) == 2


async def test_a_retry_does_not_take_a_job_that_somebody_else_is_waiting_for(client):
    chat = {"model": "sora-video", "seconds": 1, "messages": [{"role": "user", "content": "a cat"}]}
    waiting = asyncio.ensure_future(client.post("/v1/chat/completions", json=chat))
    for _ in range(400):
        if await videos(client):
            break
        await asyncio.sleep(0.05)

    async with client.post("/v1/chat/completions", json=chat, headers=RETRY) as reply:
        other = (await reply.json())["sora2api"]["job"]

    assert (await (await waiting).json())["sora2api"]["job"] != other


async def test_prefer_wait_answers_with_the_finished_video_or_with_it_as_it_is_by_then(client):
    _, finished = await create(client, Prefer="wait=30")
    _, unfinished = await create(client, BODY | {"seconds": "4", "prompt": "longer"}, Prefer="wait=0")
    assert finished["status"] == "completed"
    assert unfinished["status"] in ("queued", "in_progress")


async def test_cancel_after_ends_what_takes_longer(tmp_path):
    with Running("serve", tmp_path, "--sandbox-delay", "60") as server:
        async with aiohttp.ClientSession(server.url, headers={"Authorization": "Bearer han1234"}) as client:
            _, video = await create(client, **{"Cancel-After": "1s", "Prefer": "wait=20"})
    assert (video["status"], video["error"]["code"]) == ("failed", "cancelled")


@pytest.mark.parametrize("given", ["soon", "-5s", "0", ""])
async def test_a_cancel_after_that_is_no_time_is_refused(client, given):
    status, said = await create(client, **{"Cancel-After": given})
    assert (status, said["error"]["param"]) == (400, "Cancel-After")
