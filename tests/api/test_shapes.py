"""Replies are as the OpenAPI document tells them, and hold nothing that it does not tell."""

import base64
import io
from typing import Any

import av
import httpx2
import msgspec
import pytest
from msgspec import Struct
from PIL import Image

from sora2api.api import shapes

SMALL = {"prompt": "a pier", "model": "sora-video", "size": "160x96", "seconds": "1"}
DONE = {"Prefer": "wait=60"}


@pytest.fixture(scope="module")
def http(url):
    with httpx2.Client(base_url=f"{url}/v1", headers={"Authorization": "Bearer han1234"}, timeout=60) as http:
        yield http


@pytest.fixture(scope="module")
def film() -> bytes:
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for shade in range(12):
            picture = Image.new("RGB", (160, 96), (20 * shade, 80, 120))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return data.getvalue()


def told(reply: httpx2.Response, shape: type[Struct]) -> dict[str, Any]:
    """The reply's JSON, found to be of the *shape* to the last field."""
    assert reply.status_code == 200, reply.text
    back = msgspec.to_builtins(msgspec.convert(reply.json(), shape))
    assert back == reply.json()
    return back


def test_a_video_in_all_its_states(http):
    told(http.post("/videos", json=SMALL), shapes.Video)
    made = told(http.post("/videos", json=SMALL, headers=DONE), shapes.Video)
    assert made["status"] == "completed"
    told(http.post(f"/videos/{made['id']}/remix", json={"prompt": "at night"}), shapes.Video)
    cancelled = told(http.post("/videos", json=SMALL | {"prompt": "a long pier", "seconds": "60"}), shapes.Video)
    told(http.post(f"/videos/{cancelled['id']}/cancel"), shapes.Video)
    told(http.get(f"/videos/{cancelled['id']}"), shapes.Video)
    told(http.get("/videos"), shapes.VideoList)
    told(http.delete(f"/videos/{cancelled['id']}"), shapes.Deleted)
    told(http.get("/videos", params={"limit": 0}), shapes.VideoList)


@pytest.mark.parametrize("form", ["url", "b64_json"])
def test_images(http, form):
    asked = {"prompt": "a pier", "model": "sora-image", "response_format": form}

    told(http.post("/images/generations", json=asked), shapes.ImageReply)


@pytest.mark.parametrize("words", ["a pier", '### Task:\nA title in JSON: {"title": "..."}'])
@pytest.mark.parametrize("model", ["sora-image", "sora-video"])
def test_chats(http, words, model):
    asked = {"model": model, "size": "160x96", "messages": [{"role": "user", "content": words}]}

    told(http.post("/chat/completions", json=asked), shapes.ChatCompletion)


def test_characters(http, film):
    form = {"files": {"video": ("film.mp4", film, "video/mp4")}, "data": {"name": "Ada"}}
    made = told(http.post("/videos/characters", **form), shapes.Character)

    told(http.get(f"/videos/characters/{made['id']}"), shapes.Character)
    told(http.get("/videos/characters"), shapes.CharacterList)
    told(http.delete(f"/videos/characters/{made['id']}"), shapes.Deleted)


def test_a_chat_that_makes_a_character(http, film):
    link = {"url": f"data:video/mp4;base64,{base64.b64encode(film).decode()}"}
    content = [{"type": "video_url", "video_url": link}]
    asked = {"model": "sora-video", "messages": [{"role": "user", "content": content}]}

    told(http.post("/chat/completions", json=asked), shapes.ChatCompletion)


def test_models(http):
    models = told(http.get("/models"), shapes.ModelList)["data"]

    told(http.get(f"/models/{models[0]['id']}"), shapes.Model)


def test_files(http, film):
    form = {"files": {"file": ("film.mp4", film, "video/mp4")}, "data": {"purpose": "user_data"}}
    kept = told(http.post("/files", **form), shapes.File)

    told(http.get(f"/files/{kept['id']}"), shapes.File)
    told(http.get("/files"), shapes.FileList)
    told(http.delete(f"/files/{kept['id']}"), shapes.Deleted)


def test_webhooks(http):
    told(http.get("/webhook_event_types"), shapes.EventTypes)
    told(http.get("/webhook_endpoints/callback_secret"), shapes.CallbackSecret)
    asked = {"name": "site", "url": "http://127.0.0.1:9/hook", "event_types": ["video.completed", "video.cancelled"]}
    made = told(http.post("/webhook_endpoints", json=asked), shapes.WebhookEndpointWithSecret)
    path = f"/webhook_endpoints/{made['id']}"
    told(http.post(path, json={"name": "other"}), shapes.WebhookEndpoint)
    told(http.get(path), shapes.WebhookEndpoint)
    told(http.get("/webhook_endpoints"), shapes.WebhookEndpointList)
    told(http.post(f"{path}/rotate_secret", json={}), shapes.WebhookEndpointWithSecret)
    told(http.post("/videos", json=SMALL, headers=DONE), shapes.Video)
    sent = told(http.get(f"{path}/deliveries"), shapes.WebhookDeliveryList)["data"]
    told(http.post(f"{path}/deliveries/{sent[0]['id']}/redeliver"), shapes.WebhookDelivery)
    told(http.delete(path), shapes.Deleted)


def test_errors(http, url):
    refused = [
        http.get("/videos/video_1"),
        http.get("/nothing"),
        http.delete("/models"),
        http.post("/images/variations"),
        http.post("/videos", json=SMALL | {"size": "axb"}),
        httpx2.get(f"{url}/v1/models"),
    ]

    for reply in refused:
        assert msgspec.to_builtins(msgspec.convert(reply.json(), shapes.Error)) == reply.json()
