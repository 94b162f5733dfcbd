"""Misbehaviour on request: each fault befalls what it names, as often as it says, and nothing else."""

import asyncio
import time

import aiohttp
import orjson
import pytest

PICTURE = {"prompt": "fault", "size": "64x64"}


@pytest.fixture
async def misbehave(client):
    async def told(**fault):
        return await client.ok("POST", "/_sandbox/faults", data=orjson.dumps([fault]))

    yield told
    await client.ok("DELETE", "/_sandbox/faults")


async def test_an_answer_in_place_of_the_true_one(client, misbehave):
    await misbehave(
        method="POST", path="/v1/videos", status=429, headers={"Retry-After": "7"}, body={"error": "slow"}, times=2
    )
    before = (await client.stats())["creates"]
    for _ in range(2):
        async with client.session.post("/v1/videos", json={"prompt": "x"}) as response:
            assert (
                response.status,
                response.headers["Retry-After"],
                await response.json(),
            ) == (429, "7", {"error": "slow"})

    assert before == (await client.stats())["creates"]
    assert await client.ok("GET", "/_sandbox/faults") == []
    assert (await client.ask("GET", "/v1/videos"))[0] == 200


async def test_a_prefix_befalls_every_path_under_it_and_nothing_else(client, misbehave):
    await misbehave(path="/v1/videos/*", status=503, times=9)

    assert (await client.session.get("/v1/videos/x")).status == 503
    assert (await client.session.delete("/v1/videos/y")).status == 503
    assert (await client.session.get("/v1/videos")).status == 200
    assert [fault["times"] for fault in await client.ok("GET", "/_sandbox/faults")] == [7]


async def test_a_connection_reset_before_does_nothing(client, misbehave):
    await misbehave(method="POST", path="/v1/images/generations", close="before")
    before = (await client.stats())["creates"]
    with pytest.raises(aiohttp.ClientError):
        await client.ask("POST", "/v1/images/generations", json=PICTURE)

    assert before == (await client.stats())["creates"]


async def test_a_connection_reset_after_has_done_the_work(client, misbehave):
    await misbehave(method="POST", path="/v1/videos", close="after")
    before = (await client.stats())["creates"]
    with pytest.raises(aiohttp.ClientError):
        await client.ask("POST", "/v1/videos", json={"prompt": "an answer lost", "size": "64x64", "seconds": "0.5"})

    assert before + 1 == (await client.stats())["creates"]
    (newest,) = (await client.ok("GET", "/v1/videos", params={"limit": 1}))["data"]
    assert newest["prompt"] == "an answer lost"


async def test_a_body_that_breaks_off(client, misbehave):
    video = await client.make(prompt="broken off")
    whole = await client.content(video)
    path = f"/v1/videos/{video['id']}/content"
    await misbehave(method="GET", path=path, close=1000)
    async with client.session.get(path) as response:
        assert len(whole) == response.content_length
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    assert whole == await client.content(video)


async def test_garbage_is_neither_json_nor_media(client, misbehave):
    await misbehave(path="/v1/*", garbage=True)
    async with client.session.get("/v1/models") as response:
        assert response.status == 200
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(await response.read())


async def test_a_delay_comes_before_the_true_answer(client, misbehave):
    await misbehave(method="GET", path="/v1/models", delay=0.3)
    began = time.monotonic()
    slow, quick = await asyncio.gather(client.ok("GET", "/v1/models"), client.ok("GET", "/v1/models"))

    assert slow == quick
    assert time.monotonic() - began >= 0.3


async def test_a_pause_comes_in_the_middle_of_the_true_answer(client, misbehave):
    whole = await client.ok("GET", "/v1/models")
    await misbehave(method="GET", path="/v1/models", pause=0.3)
    began = time.monotonic()
    async with client.session.get("/v1/models") as response:
        until_head = time.monotonic() - began
        body = await response.json()

    assert whole == body
    assert until_head < 0.3 <= time.monotonic() - began


async def test_the_true_answer_under_another_content_type(client, misbehave):
    video = await client.make(prompt="in disguise")
    whole = await client.content(video)
    path = f"/v1/videos/{video['id']}"
    await misbehave(method="GET", path=f"{path}*", headers={"Content-Type": "text/html"}, times=2)
    async with client.session.get(path) as response:
        assert (response.content_type, await response.json(content_type=None)) == ("text/html", video)
    async with client.session.get(f"{path}/content") as response:
        assert (response.content_type, await response.read()) == ("text/html", whole)


async def test_fields_written_over_in_a_video_and_in_a_list(client, misbehave):
    video = await client.make(prompt="another state")
    await misbehave(method="GET", path="/v1/videos*", change={"status": "hibernating", "progress": 3}, times=2)
    strange = video | {"status": "hibernating", "progress": 3}

    assert strange == await client.ok("GET", f"/v1/videos/{video['id']}")
    assert strange == (await client.ok("GET", "/v1/videos", params={"limit": 1}))["data"][0]
    assert video == await client.ok("GET", f"/v1/videos/{video['id']}")


async def test_a_list_that_misses_its_newest_entry_once(client, misbehave):
    older, newest = [(await client.make(prompt=prompt))["id"] for prompt in ("older", "newest")]
    await misbehave(method="GET", path="/v1/videos", omit=1)

    for expected in ([older], [newest, older]):
        listed = await client.ok("GET", "/v1/videos", params={"limit": 2})
        assert expected == [video["id"] for video in listed["data"]]


@pytest.mark.parametrize("body", [b"{}", b"[{}", b'[{"close": "never"}]', b'[{"unknown": 1}]', b'[{"times": "x"}]'])
async def test_a_fault_that_makes_no_sense_is_a_400(client, body):
    status, error = await client.refused("POST", "/_sandbox/faults", data=body)

    assert (status, error["code"]) == (400, "invalid_value")
    assert await client.ok("GET", "/_sandbox/faults") == []
