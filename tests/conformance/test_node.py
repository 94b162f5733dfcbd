"""The conformance list by OpenAI's SDK for Node: what it says of Node alone, and calls of all kinds."""

import base64
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.outsiders import npm_packages
from PIL import Image
from running import Running
from webhooks.receivers import NEAR, Receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(700)]

SCRIPT = Path(__file__).parent / "node" / "calls.mjs"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    """One that nobody else asks for anything."""
    with Running("serve", tmp_path_factory.mktemp("node") / "data", *NEAR) as server:
        yield server


@pytest.fixture(scope="module")
def webhook(server, ask_of, tmp_path_factory) -> Path:
    """A webhook as it arrived."""
    receiver = Receiver()
    with ask_of(server, "sync") as ask:
        asked = {"name": "node", "url": receiver.url, "event_types": ["image.completed"]}
        endpoint = ask(lambda client: client.webhooks.create(**asked))
        ask(lambda client: client.images.generate(prompt="a kite", size="64x64"))
        (received,) = receiver.wait()
        ask(lambda client: client.webhooks.delete(endpoint.id))
    receiver.close()
    told = {"body": received.body.decode(), "headers": received.headers, "secret": endpoint.signing_secret}
    path = tmp_path_factory.mktemp("webhook") / "webhook.json"
    path.write_text(json.dumps(told))
    return path


@pytest.fixture(scope="module")
def said(server, webhook, picture, film, tmp_path_factory) -> dict[str, Any]:
    """What came of the calls."""
    packages = npm_packages("openai@^7", "node@^22")
    folder = tmp_path_factory.mktemp("node")
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / SCRIPT.name).write_text(SCRIPT.read_text())
    (folder / "sea.png").write_bytes(picture[1])
    (folder / "sea.mp4").write_bytes(film[1])
    done = subprocess.run(
        [packages / "node_modules/node/bin/node", SCRIPT.name, "sea.png", "sea.mp4", str(webhook)],
        cwd=folder,
        env=os.environ | {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "han1234"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def opened(data: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(data))).size


def test_12_a_form_without_a_file_is_taken(said):
    assert said["create"]["status"] == "queued"
    assert said["create"]["requestId"].startswith("req_")
    assert said["retrieve"]["id"] == said["create"]["id"]
    assert said["retrieve"]["status"] == "completed"


def test_15_a_reference_is_taken_as_a_url_and_as_a_file(said):
    assert said["references"] == ["completed", "completed"]


def test_48_pages_of_one_give_each_video_once(said):
    assert said["listed"] == said["made"]


@pytest.mark.parametrize(
    ("variant", "kind", "head"),
    [
        ("none", "video/mp4", "ftyp"),
        ("video", "video/mp4", "ftyp"),
        ("thumbnail", "image/webp", "WEBP"),
        ("spritesheet", "image/jpeg", "JFIF"),
    ],
)
def test_62_the_content_comes_whole_in_every_variant(said, variant, kind, head):
    content = said["contents"][variant]

    assert (content["kind"], head in content["head"]) == (kind, True)
    assert content["length"] > 100


def test_65_and_66_a_deleted_video_is_gone(said):
    assert said["deleted"]["deleted"] is True
    assert (said["gone"]["kind"], said["gone"]["code"]) == ("NotFoundError", "not_found")


def test_02_and_21_errors_are_of_the_right_class(said):
    assert said["unauthenticated"]["kind"] == "AuthenticationError"
    assert said["unknownModel"] == {"kind": "NotFoundError", "status": 404, "code": "model_not_found", "param": "model"}


def test_68_70_and_71_videos_are_remixed_edited_and_gone_on_with(said):
    assert [said[name]["status"] for name in ("remix", "edit", "extend")] == ["completed"] * 3
    assert said["remix"]["remixed_from_video_id"] == said["create"]["id"]
    assert said["extend"]["seconds"] == "2"


def test_73_a_character_is_made_and_found(said):
    made, found = said["character"]

    assert made["id"] == found["id"]
    assert found["name"] == "Mossy"


def test_74_to_77_images_are_made_and_edited_streamed_and_not(said):
    assert [opened(image) for image in said["generate"]["images"]] == [(160, 96)] * 2
    assert [opened(image) for image in said["editImage"]] == [(160, 96)]
    assert said["generateStreamed"][-1] == "image_generation.completed"
    assert said["editStreamed"][-1] == "image_edit.completed"


def test_80_to_85_chats_are_answered_streamed_and_not(said):
    chunks = said["chunks"]

    assert "](http" in said["chat"]
    assert chunks[0]["role"] == "assistant"
    assert any(chunk.get("reasoning_content") for chunk in chunks)
    assert "stop" in [chunk.get("finished") for chunk in chunks]
    assert chunks[-1]["usage"]["total_tokens"] == 0
    assert said["failure"]["code"] == "moderation_blocked"


def test_88_models_are_found_by_any_name(said):
    assert said["model"] == "sora-2"
    assert said["slashed"]["code"] == "model_not_found"


def test_90_a_webhook_is_unwrapped_and_a_forged_one_is_not(said):
    assert said["webhook"]["type"] == "image.completed"
    assert said["forged"]["kind"] == "InvalidWebhookSignatureError"


def test_files_are_kept(said):
    assert (said["file"]["kept"], said["file"]["purpose"], said["fileDeleted"]) == (True, "vision", True)
