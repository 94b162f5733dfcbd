"""Clips: made, begun on a picture, changed, extended, cut into shots, peopled; listed, fetched, deleted."""

import base64
import json

import aiohttp
import pytest
from PIL import ImageOps

from sora2api.media import pictures

KEYS = [
    "id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt", "size",
    "seconds", "remixed_from_video_id", "error",
]  # fmt: skip
SAME = 0.03
"""Of pictures.distance, 0 to 1: no more between a frame and the picture that it is, after H.264."""
CHANGED = 0.08
FPS = 12


def form(values, **files):
    data = aiohttp.FormData(values)
    for name, content in files.items():
        data.add_field(name, content, filename=name)
    return data


async def refused_video(client, param, **options):
    before = (await client.stats())["creates"]
    status, error = await client.refused("POST", "/v1/videos", **options)
    assert (400, param) == (status, error["param"])
    assert before == (await client.stats())["creates"]
    return error


async def character(client, video, name="mia"):
    return await client.ok(
        "POST", "/v1/videos/characters", data=form({"name": name}, video=await client.content(video))
    )


@pytest.mark.parametrize(("seconds", "size"), [("0.5", "64x64"), (1, "160x96"), (2.25, "96x160")])
async def test_a_clip_has_the_asked_length_and_size_and_moves(client, seconds, size):
    video = await client.make(prompt="motion", seconds=seconds, size=size)
    frames = await client.frames(video)

    assert (f"{float(seconds):g}", size) == (video["seconds"], video["size"])
    assert round(float(seconds) * FPS) == len(frames)
    assert tuple(map(int, size.split("x"))) == frames[0].size
    assert pictures.distance(frames[0], frames[-1]) > 0.001


async def test_a_video_object_has_all_keys_and_four_seconds_upright_unless_told(client):
    video = await client.ok("POST", "/v1/videos", json={"prompt": "defaults"})
    await client.ok("DELETE", f"/v1/videos/{video['id']}")

    assert list(video) == KEYS
    assert (video["status"], video["progress"], video["seconds"], video["size"]) == ("queued", 0, "4", "720x1280")
    assert video["id"].startswith("video_")


async def test_a_form_makes_a_clip_as_json_does(client):
    data = form({"prompt": "formed", "model": "any/model", "seconds": "0.5", "size": "64x64"})
    video = await client.ended(await client.ok("POST", "/v1/videos", data=data))

    assert (video["status"], video["progress"], video["model"]) == ("completed", 100, "any/model")


async def test_the_same_clip_is_rendered_once(client):
    first, second = [await client.content(await client.make(prompt="twice")) for _ in range(2)]

    assert first == second


@pytest.mark.parametrize("size", ["160x96", "96x160"])
async def test_a_clip_begins_on_the_given_picture_and_leaves_it(client, photo, photo_bytes, size):
    data = form({"prompt": "it comes alive", "seconds": "2", "size": size}, input_reference=photo_bytes)
    frames = await client.frames(await client.ended(await client.ok("POST", "/v1/videos", data=data)))
    fitted = ImageOps.fit(photo, frames[0].size)

    assert pictures.distance(fitted, frames[0]) < SAME
    assert pictures.distance(frames[0], frames[-1]) > 2 * pictures.distance(fitted, frames[0])


async def test_a_picture_may_come_as_a_data_url(client, photo, photo_bytes):
    url = "data:image/png;base64," + base64.b64encode(photo_bytes).decode()
    video = await client.make(prompt="by url", input_reference={"image_url": url})

    assert pictures.distance(ImageOps.fit(photo, (160, 96)), (await client.frames(video))[0]) < SAME

    data = form({"prompt": "by url", "seconds": "0.5", "size": "160x96", "input_reference[image_url]": url})
    again = await client.ended(await client.ok("POST", "/v1/videos", data=data))

    assert await client.content(video) == await client.content(again)


@pytest.mark.parametrize("way", ["remix", "edit"])
async def test_a_changed_clip_shows_its_source_changed(client, way):
    source = await client.make(prompt="the source", seconds="1")
    if way == "remix":
        changed = await client.make(f"/v1/videos/{source['id']}/remix", prompt="in winter")
    else:
        changed = await client.make("/v1/videos/edits", prompt="in winter", video={"id": source["id"]})
    before, after = await client.frames(source), await client.frames(changed)

    assert (source["id"] if way == "remix" else None) == changed["remixed_from_video_id"]
    assert (source["seconds"], source["size"]) == (changed["seconds"], changed["size"])
    assert len(before) == len(after)
    for number in (0, -1):
        assert pictures.distance(before[number], after[number]) > CHANGED


async def test_an_extended_clip_is_its_source_and_goes_on_from_its_last_frame(client):
    source = await client.make(prompt="the beginning", seconds="1")
    longer = await client.make("/v1/videos/extensions", prompt="the end", seconds="1.5", video={"id": source["id"]})
    before, after = await client.frames(source), await client.frames(longer)

    assert longer["seconds"] == "2.5"
    assert len(after) == 30
    assert max(pictures.distance(old, new) for old, new in zip(before, after, strict=False)) < SAME
    assert pictures.distance(before[-1], after[12]) < SAME
    assert pictures.distance(before[-1], after[-1]) > CHANGED


async def test_an_extended_clip_can_be_extended_again_and_remixed(client):
    source = await client.make(prompt="first", size="64x64")
    longer = await client.make("/v1/videos/extensions", prompt="second", seconds="0.5", video={"id": source["id"]})
    longest = await client.make("/v1/videos/extensions", prompt="third", seconds="0.5", video={"id": longer["id"]})
    remixed = await client.make(f"/v1/videos/{longest['id']}/remix", prompt="other")

    assert remixed["seconds"] == "1.5"
    assert len(await client.frames(remixed)) == 18


@pytest.mark.parametrize("as_form", [True, False])
async def test_shots_follow_each_other_at_their_exact_lengths(client, as_form):
    shots = [{"prompt": "one", "seconds": 0.5}, {"prompt": "two", "seconds": "0.75"}, {"prompt": "three", "seconds": 1}]
    values = {"prompt": "a story", "size": "160x96", "seconds": "10"}
    body = {"data": form({**values, "shots": json.dumps(shots)})} if as_form else {"json": {**values, "shots": shots}}
    video = await client.ended(await client.ok("POST", "/v1/videos", **body))
    frames = await client.frames(video)
    cuts = [n for n in range(1, len(frames)) if pictures.distance(frames[n - 1], frames[n]) > CHANGED]

    assert (video["seconds"], len(frames)) == ("2.25", 27)
    assert cuts == [6, 15]


async def test_a_character_appears_in_clips_that_name_it(client):
    mia = await character(client, await client.make(prompt="Mia", seconds="1"))
    alone, peopled = [
        await client.frames(await client.make(prompt="a walk", size="320x192", characters=cast))
        for cast in ([], [{"id": mia["id"]}])
    ]
    upper_left, lower_right = (0, 0, 80, 80), (240, 96, 320, 192)

    assert {"id": mia["id"], "object": "character", "created_at": mia["created_at"], "name": "mia"} == mia
    assert pictures.distance(alone[3].crop(upper_left), peopled[3].crop(upper_left)) > 0.1
    assert pictures.distance(alone[3].crop(lower_right), peopled[3].crop(lower_right)) < 0.02


async def test_a_character_is_kept_until_deleted(client):
    mia = await character(client, await client.make(prompt="Mia again"))
    path = f"/v1/videos/characters/{mia['id']}"

    assert mia == await client.ok("GET", path)
    assert (await client.ok("DELETE", path))["deleted"]
    assert (await client.refused("GET", path))[0] == 404
    error = (await client.refused("POST", "/v1/videos", json={"prompt": "x", "characters": [{"id": mia["id"]}]}))[1]
    assert (error["code"], error["param"]) == ("not_found", "characters")


async def test_a_character_needs_a_video_that_is_one(client):
    for data, param in (
        (form({"name": "x"}), "video"),
        (form({"name": "x"}, video=b"none"), "video"),
        (form({"a": "b"}), "name"),
    ):
        status, error = await client.refused("POST", "/v1/videos/characters", data=data)

        assert (400, param) == (status, error["param"])


async def test_refused_prompts_end_as_failed_videos(client):
    plain = await client.ended(await client.ok("POST", "/v1/videos", json={"prompt": "a [refuse] b"}))
    shots = [{"prompt": "fine", "seconds": 1}, {"prompt": "not [refuse]", "seconds": 1}]
    story = await client.ended(await client.ok("POST", "/v1/videos", json={"prompt": "x", "shots": shots}))

    assert (plain["status"], plain["error"]["code"]) == ("failed", "moderation_blocked")
    assert (story["error"]["code"], story["error"]["param"]) == ("moderation_blocked", "shots[1]")
    assert (await client.refused("POST", f"/v1/videos/{plain['id']}/remix", json={"prompt": "x"}))[0] == 400
    assert (await client.refused("GET", f"/v1/videos/{plain['id']}/content"))[0] == 400


async def test_variants_are_a_webp_and_a_jpeg(client):
    video = await client.make(prompt="variants")
    for variant, kind in (("video", "video/mp4"), ("thumbnail", "image/webp"), ("spritesheet", "image/jpeg")):
        async with client.session.get(f"/v1/videos/{video['id']}/content?variant={variant}") as response:
            assert (200, kind) == (response.status, response.content_type)
            assert len(await response.read()) == response.content_length
    status, error = await client.refused("GET", f"/v1/videos/{video['id']}/content?variant=poster")
    assert (status, error["param"]) == (400, "variant")


async def test_a_part_of_a_clip_can_be_fetched(client):
    video = await client.make(prompt="ranges")
    whole = await client.content(video)
    headers = {"Range": "bytes=10-19"}
    async with client.session.get(f"/v1/videos/{video['id']}/content", headers=headers) as response:
        assert (206, whole[10:20]) == (response.status, await response.read())
        assert f"bytes 10-19/{len(whole)}" == response.headers["Content-Range"]


async def test_the_list_goes_page_by_page_both_ways(client):
    made = [(await client.make(prompt=f"list {n}", size="64x64"))["id"] for n in range(3)]

    async def pages(order, after):
        found = []
        while True:
            page = await client.ok("GET", "/v1/videos", params={"limit": 1, "order": order, "after": after})
            found += [video["id"] for video in page["data"]]
            if not page["has_more"]:
                return found
            after = page["last_id"]

    assert made[1:] == await pages("asc", made[0])
    assert made[1::-1] == (await pages("desc", made[2]))[:2]
    newest = await client.ok("GET", "/v1/videos", params={"limit": 2})
    assert [made[2], made[1]] == [video["id"] for video in newest["data"]]
    assert (made[2], made[1]) == (newest["first_id"], newest["last_id"])
    nothing = await client.ok("GET", "/v1/videos", params={"limit": 0})
    assert (nothing["data"], nothing["first_id"], nothing["last_id"], nothing["has_more"]) == ([], None, None, True)


async def test_a_bad_list_query_is_named(client):
    for query, status, param in (
        ("limit=101", 400, "limit"),
        ("limit=x", 400, "limit"),
        ("order=up", 400, "order"),
        ("after=video_0", 404, "after"),
    ):
        refused, error = await client.refused("GET", f"/v1/videos?{query}")

        assert (status, param) == (refused, error["param"])


async def test_a_deleted_video_is_gone(client):
    video = await client.make(prompt="gone")

    assert {"id": video["id"], "object": "video.deleted", "deleted": True} == await client.ok(
        "DELETE", f"/v1/videos/{video['id']}"
    )
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("POST", "/remix")):
        status, error = await client.refused(method, f"/v1/videos/{video['id']}{tail}", json={"prompt": "x"})
        assert (status, error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": "x", "seconds": "0.4"}, "seconds"),
        ({"prompt": "x", "seconds": 121}, "seconds"),
        ({"prompt": "x", "seconds": True}, "seconds"),
        ({"prompt": "x", "seconds": "NaN"}, "seconds"),
        ({"prompt": "x", "size": "65x64"}, "size"),
        ({"prompt": "x", "size": "2050x64"}, "size"),
        ({"prompt": "x", "shots": "[{]"}, "shots"),
        ({"prompt": "x", "shots": [1]}, "shots"),
        ({"prompt": "x", "shots": [{"prompt": "y"}]}, "shots[0].seconds"),
        ({"prompt": "x", "shots": [{"prompt": "y", "seconds": 1}, {"seconds": 1}]}, "shots[1].prompt"),
        ({"prompt": "x", "input_reference": {"image_url": "http://localhost/a.png"}}, "input_reference"),
        ({"prompt": "x", "input_reference": {"image_url": "data:image/png;base64,!"}}, "input_reference"),
        ({"prompt": "x", "input_reference": {"image_url": "data:image/png;base64,AAAA"}}, "input_reference"),
        ({"prompt": "x", "input_reference": {"file_id": "file_1"}}, "input_reference"),
    ],
)
async def test_a_bad_value_is_named(client, body, param):
    await refused_video(client, param, json=body)


async def test_a_damaged_picture_is_a_400(client, photo_bytes):
    for damaged in (b"none", photo_bytes[: len(photo_bytes) // 2]):
        await refused_video(client, "input_reference", data=form({"prompt": "x"}, input_reference=damaged))
