"""Pictures: made, changed, refused, and made once for one key."""

import asyncio
import base64
from io import BytesIO

import aiohttp
import pytest
from PIL import Image, ImageChops, ImageFilter, ImageStat

from sora2api.media import pictures
from sora2api.sandbox.looks import Look

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
CLEARLY_CHANGED = 0.08
"""Of pictures.distance, 0 to 1: no less between a picture and what an edit makes of it."""
RECOGNISED = 0.5
"""Correlation of edges, -1 to 1: no less between a picture and what an edit makes of it."""


def opened(item):
    picture = Image.open(BytesIO(base64.b64decode(item["b64_json"], validate=True)))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def edges(picture):
    soft = picture.convert("L").resize((96, 72), Image.Resampling.BOX)
    inner = soft.filter(ImageFilter.FIND_EDGES).crop((1, 1, 95, 52))  # without the rim, and the words at the foot
    return inner.filter(ImageFilter.GaussianBlur(1))


def likeness(first, second):
    a, b = (list(edges(picture).tobytes()) for picture in (first, second))
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    shared = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return shared / spread**0.5


def edit_form(prompt, *images, mask=None, **values):
    form = aiohttp.FormData({"prompt": prompt, **values})
    name = "image" if len(images) == 1 else "image[]"
    for data in images:
        form.add_field(name, data, filename="picture.png", content_type="image/png")
    if mask is not None:
        form.add_field("mask", mask, filename="mask.png", content_type="image/png")
    return form


@pytest.mark.parametrize("size", ["360x360", "540x360", "64x640"])
async def test_a_picture_has_the_asked_size(client, size):
    said = await client.ok("POST", GENERATIONS, json={"prompt": "一只猫", "size": size})

    assert size == said["size"]
    assert tuple(map(int, size.split("x"))) == opened(said["data"][0]).size


async def test_a_picture_is_square_unless_told(client):
    said = await client.ok("POST", GENERATIONS, json={"prompt": "a square"})

    assert opened(said["data"][0]).size == (1024, 1024)


async def test_the_same_request_gives_the_same_picture_and_another_prompt_another(client):
    first, again, other = [
        (await client.ok("POST", GENERATIONS, json={"prompt": prompt, "size": "200x200"}))["data"][0]
        for prompt in ("a lake", "a lake", "a mountain")
    ]

    assert first == again
    assert pictures.distance(opened(first), opened(other)) > 0.02


async def test_several_pictures_of_one_prompt_differ(client):
    said = await client.ok("POST", GENERATIONS, json={"prompt": "a choice", "n": 3, "size": "200x200"})

    assert len({item["b64_json"] for item in said["data"]}) == 3


async def test_a_link_to_a_picture_needs_no_key(client):
    said = await client.ok("POST", GENERATIONS, json={"prompt": "b", "size": "64x64", "response_format": "url"})

    async with aiohttp.ClientSession() as anyone, anyone.get(said["data"][0]["url"]) as response:
        assert response.content_type == "image/png"
        assert Image.open(BytesIO(await response.read())).size == (64, 64)


@pytest.mark.parametrize("prompt", ["make it a watercolour", "ночь, неон", "变成冬天"])
async def test_an_edited_picture_is_recognised_and_clearly_changed(client, photo, photo_bytes, prompt):
    said = await client.ok("POST", EDITS, data=edit_form(prompt, photo_bytes))
    edited = opened(said["data"][0])

    assert photo.size == edited.size
    assert pictures.distance(photo, edited) >= CLEARLY_CHANGED
    assert likeness(photo, edited) >= RECOGNISED


@pytest.mark.parametrize("colour", ["white", "black", "#808080", "#b3123f", "#0c7489", "#2f7d32", "#f0b440"])
def test_a_look_changes_a_picture_of_any_colour(colour):
    plain = Image.new("RGB", (64, 64), colour)

    assert min(pictures.distance(plain, Look(f"look {n}", plain).tone(plain)) for n in range(8)) >= CLEARLY_CHANGED


async def test_a_mask_limits_the_change_to_its_transparent_area(client, photo, photo_bytes):
    area = (100, 40, 290, 210)
    mask = Image.new("RGBA", photo.size, "black")
    mask.paste((0, 0, 0, 0), area)
    data = BytesIO()
    mask.save(data, format="PNG")

    said = await client.ok("POST", EDITS, data=edit_form("only here", photo_bytes, mask=data.getvalue()))
    change = ImageChops.difference(photo, opened(said["data"][0]))
    inside = change.crop(area)
    change.paste("black", area)

    assert change.getbbox() is None
    assert sum(ImageStat.Stat(inside).mean) / 3 / 255 > CLEARLY_CHANGED


async def test_several_images_all_appear(client, photo_bytes):
    other = Image.new("RGB", (100, 100), "#00ff00")
    data = BytesIO()
    other.save(data, format="PNG")

    said = await client.ok("POST", EDITS, data=edit_form("both", photo_bytes, data.getvalue()))

    assert any(count > 500 and colour == (0, 255, 0) for count, colour in opened(said["data"][0]).getcolors(1 << 20))


async def test_a_refused_prompt_is_a_400(client):
    status, error = await client.refused("POST", GENERATIONS, json={"prompt": "something [refuse] bad"})

    assert (status, error["code"], error["param"]) == (400, "moderation_blocked", "prompt")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"prompt": "x", "size": "big"}, "size"),
        ({"prompt": "x", "size": "63x100"}, "size"),
        ({"prompt": "x", "size": [1]}, "size"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "n": 11}, "n"),
        ({"prompt": "x", "n": "many"}, "n"),
        ({"prompt": "x", "response_format": "gif"}, "response_format"),
    ],
)
async def test_a_bad_value_is_named(client, body, param):
    before = (await client.stats())["creates"]
    status, error = await client.refused("POST", GENERATIONS, json=body)

    assert (400, param) == (status, error["param"])
    assert before == (await client.stats())["creates"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe"])
async def test_a_body_that_is_no_json_object_is_a_400(client, body):
    headers = {"Content-Type": "application/json"}
    status, error = await client.refused("POST", GENERATIONS, data=body, headers=headers)

    assert (status, error["code"]) == (400, "invalid_json")


async def test_a_form_that_is_none_is_a_400(client):
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        status, _ = await client.refused("POST", EDITS, data=b"nothing", headers={"Content-Type": kind})

        assert status == 400


async def test_an_image_that_is_none_is_a_400(client, photo_bytes):
    for image, mask, param in ((b"no image", None, "image"), (photo_bytes, b"no mask", "mask"), (b"", None, "image")):
        status, error = await client.refused("POST", EDITS, data=edit_form("x", image, mask=mask))

        assert (400, param) == (status, error["param"])


async def test_a_key_makes_one_request_of_several(client):
    before = (await client.stats())["creates"]
    request = {"json": {"prompt": "once", "size": "64x64"}, "headers": {"Idempotency-Key": "one"}}
    first, *others = await asyncio.gather(*(client.ok("POST", GENERATIONS, **request) for _ in range(4)))

    assert [first] * 3 == others
    assert before + 1 == (await client.stats())["creates"]


async def test_a_key_that_came_with_another_request_is_a_400(client):
    headers = {"Idempotency-Key": "two"}
    await client.ok("POST", GENERATIONS, json={"prompt": "this", "size": "64x64"}, headers=headers)
    status, error = await client.refused("POST", GENERATIONS, json={"prompt": "that"}, headers=headers)

    assert (status, error["param"]) == (400, "Idempotency-Key")
