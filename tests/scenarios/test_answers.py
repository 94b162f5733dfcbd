"""What a client is answered: R1, R2, R3, R20 and R21."""

import io
from collections.abc import Iterator

import httpx2
import pytest
from PIL import Image
from scenarios.asking import CHATS, SMALL, linked, markdown_link
from scenarios.neighbours import Website
from ways.films import clip_of, distance, film

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def website(face) -> Iterator[Website]:
    """A web server of somebody else's, on this machine."""
    website = Website({"/face.png": ("image/png", face), "/film.mp4": ("video/mp4", clip_of(face))})
    yield website
    website.close()


def test_r01_a_chat_that_is_not_streamed_is_answered_with_the_video(roomy):
    link = markdown_link(roomy.chat("a kite over dunes"))

    shown = httpx2.get(link)
    assert shown.headers["content-type"] == "video/mp4"
    assert film(shown.content).seconds == pytest.approx(1, abs=0.1)


def test_r01_a_chat_that_would_wait_too_long_is_answered_with_its_job(narrow):
    narrow.hold()

    reply = narrow.chat("a kite over slow dunes")
    narrow.go()

    job = reply.json()["sora2api"]["job"]
    assert job in narrow.refused(reply, 504, "wait_timeout")
    narrow.day.completed(job)


def test_r02_an_image_by_link_is_fetched_and_begins_the_video(narrow, website, face):
    reply = narrow.chat(linked(("image", f"{website.url}/face.png"), text="it drifts away"))

    first = film(httpx2.get(markdown_link(reply)).content).frames[0]
    assert distance(first, Image.open(io.BytesIO(face)).convert("RGB").resize(first.size)) < 0.1
    assert website.asked == ["/face.png"]


@pytest.mark.parametrize(("path", "code"), [("/nothing.png", "link_not_fetched"), ("/film.mp4", "invalid_image")])
def test_r02_an_image_that_cannot_be_had_is_refused_and_no_job_is_made(narrow, website, path, code):
    content = linked(("image", f"{website.url}{path}"), text="an image that cannot be had")

    narrow.refused(narrow.chat(content), 400, code, "messages")
    assert narrow.jobs("an image that cannot be had") == []


def test_r02_an_image_by_link_into_a_private_network_is_refused_and_never_fetched(roomy, website):
    before = len(website.asked)
    content = linked(("image", f"{website.url}/face.png"), text="an image that nobody may fetch")

    roomy.refused(roomy.chat(content), 400, "link_refused", "messages")
    assert len(website.asked) == before
    assert roomy.jobs("an image that nobody may fetch") == []


def test_r03_a_video_by_link_becomes_a_character(narrow, website):
    reply = narrow.chat(linked(("video", f"{website.url}/film.mp4")), username="by_link")

    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["message"]["content"].startswith("@by_link\n")
    mentions = [one["mention"] for one in narrow.rig.get("/v1/videos/characters").json()["data"]]
    assert "@by_link" in mentions


def test_r03_a_video_by_link_that_cannot_be_had_is_refused(narrow, roomy, website):
    content = linked(("video", f"{website.url}/nothing.mp4"))

    narrow.refused(narrow.chat(content), 400, "link_not_fetched", "messages")
    roomy.refused(roomy.chat(content), 400, "link_refused", "messages")


TITLE = [
    {"role": "user", "content": "a cat in the rain"},
    {"role": "assistant", "content": "[video](http://a/b.mp4)"},
    {
        "role": "user",
        "content": "Please generate a four to five word title summarizing our conversation without any lead-in, "
        "punctuation, quotation marks, periods, symbols, bold text, or additional text. Remove enclosing quotation "
        "marks.",
    },
]
"""What a chat program asks for by itself, and gets a text for."""


def test_r20_a_streamed_text_ends_with_done(roomy):
    *chunks, done = roomy.streamed("", messages=TITLE)

    assert done == "[DONE]"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-1] == "stop"
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_r20_a_text_that_is_not_streamed_is_no_picture(roomy):
    whole = roomy.chat("", messages=TITLE).json()["choices"][0]["message"]["content"]
    *chunks, _ = roomy.streamed("", messages=TITLE)

    assert whole == "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert whole.strip()
    assert "![" not in whole


def test_r20_the_models_that_only_wrote_prompts_are_unknown_and_said_to_be(roomy):
    roomy.refused(roomy.chat("a cat", model="prompt-enhance-short-10s"), 404, "model_not_found", "model")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"model": "nope"}, 404, "model_not_found", "model"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "invalid_value", "messages"),
    ],
    ids=["model", "no messages", "no words"],
)
def test_r21_a_wrong_request_is_the_clients_mistake_in_openai_s_envelope(roomy, stream, fields, status, code, param):
    roomy.refused(roomy.chat("a cat", stream=stream, **fields), status, code, param)


def test_r21_a_wrong_key_is_told_in_openai_s_envelope(roomy):
    wrong = {"Authorization": "Bearer sk-wrong"}
    reply = httpx2.post(f"{roomy.rig.server.url}{CHATS}", json=SMALL, headers=wrong)

    roomy.refused(reply, 401, "invalid_api_key")
