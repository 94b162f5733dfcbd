"""The server around it: keys, envelopes, models, what can be switched off, progress, counting."""

import asyncio
import time

import pytest


async def test_only_a_key_opens_the_api(client, shared, connect):
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic sk-sandbox"}):
        status, error = await client.refused("GET", "/v1/models", headers=headers)

        assert (status, error["code"]) == (401, "invalid_api_key")
    assert (await connect(shared, key="other").refused("POST", "/v1/videos", json={"prompt": "x"}))[0] == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/", 404), ("PUT", "/v1/videos", 405), ("GET", "/v1/images/edits", 405)],
)
async def test_a_wrong_path_or_method_is_told_in_the_envelope(client, method, path, status):
    async with client.session.request(method, path) as response:
        assert status == response.status
        assert (await response.json())["error"]["code"]
        assert response.headers["x-request-id"]
        assert (status == 405) == ("Allow" in response.headers)


async def test_models_say_what_they_can_do(client):
    said = await client.ok("GET", "/v1/models")

    assert {model["id"]: model["capabilities"] for model in said["data"]} == {
        "sandbox-image": ["image", "image_edit", "mask"],
        "sandbox-video": [
            "clip", "first_frame", "remix", "edit", "extend", "characters", "shots", "list", "cancel",
        ],
    }  # fmt: skip
    assert {"model"} == {model["object"] for model in said["data"]}


async def test_what_is_switched_off_is_neither_named_nor_done(start, connect, photo_bytes):
    off = "remix,edit,extend,characters,shots,list,first_frame,mask,image_edit"
    client = connect(start("--delay", "0", "--without", off))
    said = await client.ok("GET", "/v1/models")

    assert [model["capabilities"] for model in said["data"]] == [["image"], ["clip", "cancel"]]
    for path in ("/v1/videos/x/remix", "/v1/videos/edits", "/v1/videos/extensions", "/v1/videos/characters"):
        assert _outcome(await client.refused("POST", path, json={"prompt": "x"})) == (404, "unsupported_feature")
    assert _outcome(await client.refused("GET", "/v1/videos")) == (404, "unsupported_feature")
    assert _outcome(await client.refused("POST", "/v1/images/edits")) == (404, "unsupported_feature")
    for values in (
        {"shots": [{"prompt": "x", "seconds": 1}]},
        {"characters": [{"id": "x"}]},
        {"input_reference": {"image_url": "data:,"}},
    ):
        status, error = await client.refused("POST", "/v1/videos", json={"prompt": "x", **values})
        assert (400, "unsupported_feature", *values) == (status, error["code"], error["param"])
    assert (await client.make(prompt="plain"))["status"] == "completed"


def _outcome(refused):
    status, error = refused
    return status, error["code"]


async def test_a_running_video_cannot_be_deleted_without_cancel(start, connect):
    client = connect(start("--delay", "30", "--without", "cancel"))
    video = await client.ok("POST", "/v1/videos", json={"prompt": "x", "size": "64x64", "seconds": "0.5"})

    assert _outcome(await client.refused("DELETE", f"/v1/videos/{video['id']}")) == (400, "unsupported_feature")


async def test_progress_rises_from_queued_to_a_hundred_within_the_delay(start, connect):
    client = connect(start("--delay", "1.2"))
    began = time.monotonic()
    video = await client.ok("POST", "/v1/videos", json={"prompt": "slow", "size": "64x64", "seconds": "0.5"})
    assert (video["status"], video["progress"]) == ("queued", 0)
    early = await client.refused("GET", f"/v1/videos/{video['id']}/content")
    assert _outcome(early) == (400, "video_not_ready")
    assert (await client.refused("POST", f"/v1/videos/{video['id']}/remix", json={"prompt": "x"}))[0] == 400
    seen = [video]
    while seen[-1]["status"] in ("queued", "in_progress"):
        await asyncio.sleep(0.05)
        seen.append(await client.ok("GET", f"/v1/videos/{video['id']}"))

    assert time.monotonic() - began >= 1.2
    assert list(dict.fromkeys(one["status"] for one in seen)) == ["queued", "in_progress", "completed"]
    progress = [one["progress"] for one in seen]
    assert sorted(progress) == progress
    assert len(set(progress)) > 5
    assert [one["progress"] for one in seen if one["status"] == "completed"] == [100]


async def test_a_running_video_is_stopped_by_its_deletion(start, connect):
    client = connect(start("--delay", "0.5"))
    video = await client.ok("POST", "/v1/videos", json={"prompt": "stop", "size": "64x64", "seconds": "0.5"})
    await client.ok("DELETE", f"/v1/videos/{video['id']}")
    await asyncio.sleep(0.8)

    assert (await client.ok("GET", "/v1/videos"))["data"] == []


async def test_requests_are_counted(start, connect):
    process = start("--delay", "0", "--key", "sk-a", "--key", "sk-b")
    client, other = connect(process, key="sk-a"), connect(process, key="sk-b")
    video = await client.make(prompt="counted", size="64x64")
    polls = (await client.stats())["polls"]
    await client.make(f"/v1/videos/{video['id']}/remix", prompt="again")
    await other.ok("POST", "/v1/images/generations", json={"prompt": "x", "size": "64x64", "n": 2})
    await other.ok("GET", "/v1/videos")
    await other.refused("POST", "/v1/videos", json={})
    stats = await client.stats()

    assert (stats["creates"], stats["lists"]) == (3, 1)
    assert stats["polls"] > polls > 0
    assert (stats["by_path"]["/v1/videos"], stats["by_path"]["/v1/images/generations"]) == (3, 1)
    assert stats["by_token"]["sk-b"] == 3
