"""The conformance list, 74 to 79: images."""

import base64
import io
import time

import httpx2
import pytest
from PIL import Image

SIZE = "160x96"


def opened(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_74_an_image_comes_as_base64_or_as_a_link(ask):
    whole = ask(lambda client: client.images.generate(prompt="a kite", size=SIZE))
    linked = ask(lambda client: client.images.generate(prompt="a kite", size=SIZE, response_format="url"))

    assert opened(whole.data[0].b64_json).size == (160, 96)
    assert whole.data[0].url is None
    assert Image.open(io.BytesIO(httpx2.get(linked.data[0].url).content)).size == (160, 96)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_75_as_many_images_come_as_were_asked_for(ask, output_format):
    made = ask(lambda client: client.images.generate(prompt="a kite", size=SIZE, n=2, output_format=output_format))

    assert [opened(image.b64_json).format for image in made.data] == [output_format.upper()] * 2


def test_76_a_stream_ends_with_the_image_and_names_its_events(ask, http):
    events = ask.all(lambda client: client.images.generate(prompt="a kite", size=SIZE, stream=True, partial_images=2))
    raw = http.post("/v1/images/generations", json={"prompt": "a kite", "size": SIZE, "stream": True}).text

    assert events[-1].type == "image_generation.completed"
    assert opened(events[-1].b64_json).size == (160, 96)
    assert "event: image_generation.completed\n" in raw


def test_76_a_streamed_edit_ends_with_the_image(ask, picture):
    events = ask.all(lambda client: client.images.edit(image=picture, prompt="at night", size=SIZE, stream=True))

    assert events[-1].type == "image_edit.completed"
    assert opened(events[-1].b64_json).size == (160, 96)


@pytest.mark.parametrize("several", [False, True])
def test_77_one_picture_or_several_are_edited_with_a_mask(ask, picture, several):
    images = [picture, picture] if several else picture

    made = ask(lambda client: client.images.edit(image=images, mask=picture, prompt="at night", size=SIZE))

    assert opened(made.data[0].b64_json).size == (160, 96)


def test_78_an_edit_may_be_asked_for_in_json(http, data_url):
    body = {"prompt": "at night", "size": SIZE, "images": [{"image_url": data_url}]}

    made = http.post("/v1/images/edits", json=body).json()

    assert opened(made["data"][0]["b64_json"]).size == (160, 96)


def test_79_a_reply_says_when_it_was_created(http):
    made = http.post("/v1/images/generations", json={"prompt": "a kite", "size": SIZE}).json()

    assert type(made["created"]) is int
    assert abs(time.time() - made["created"]) < 60
    usage = made.get("usage") or {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    assert usage.keys() >= {"input_tokens", "output_tokens", "total_tokens"}
