"""The conformance list, 80 to 89: chats, models, and being told to wait."""

import re
import time

import httpx2
import pytest
from openai import APIError, NotFoundError
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from running import Running

CHAT = {"model": "sora-video", "messages": [{"role": "user", "content": "a cart"}]}
LENGTH = {"extra_body": {"size": "160x96", "seconds": 1}}
HEARTBEAT = "0.2"


@pytest.fixture
def streamed(ask):
    """The chunks of a chat."""

    def chunks(**fields):
        return ask.all(lambda client: client.chat.completions.create(**CHAT | LENGTH | fields, stream=True))

    return chunks


def test_80_a_reply_is_a_valid_object(ask):
    reply = ask(lambda client: client.chat.completions.create(**CHAT, **LENGTH))

    ChatCompletion.model_validate(reply.model_dump(), strict=True)
    assert (reply.object, reply.choices[0].finish_reason) == ("chat.completion", "stop")


def test_81_a_stream_begins_with_the_role_and_ends_at_once(streamed, server, http):
    chunks = streamed()

    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    body = CHAT | LENGTH["extra_body"] | {"stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        times = [(line, time.monotonic()) for line in reply.iter_lines() if line]
        closed = time.monotonic()
    assert times[-1][0] == "data: [DONE]"
    assert closed - times[-1][1] < 0.5


def test_82_the_usage_chunk_comes_only_when_it_is_asked_for(streamed):
    plain, counted = streamed(), streamed(stream_options={"include_usage": True})

    assert all(chunk.choices for chunk in plain)
    assert all(chunk.choices for chunk in counted[:-1])
    assert counted[-1].choices == []
    assert counted[-1].usage.total_tokens == 0


@pytest.mark.slow
def test_83_heartbeats_keep_a_client_that_gives_up_in_silence(tmp_path, ask_of):
    options = ("--sandbox-delay", "2", "--heartbeat", HEARTBEAT)
    with (
        Running("serve", tmp_path / "data", *options) as server,
        ask_of(server, "sync", timeout=1, max_retries=0) as ask,
    ):
        begun = time.monotonic()
        chunks = ask.all(lambda client: client.chat.completions.create(**CHAT, **LENGTH, stream=True))

    assert chunks[-1].choices[0].finish_reason == "stop"
    assert time.monotonic() - begun > 1


def test_84_an_error_in_the_middle_of_a_stream_is_raised(ask, streamed):
    with pytest.raises(APIError) as error:
        streamed(messages=[{"role": "user", "content": "a cart [refuse]"}])

    assert error.value.code == "moderation_blocked"


def test_85_progress_is_reasoning(streamed):
    said = [getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in streamed()]

    assert any(said)


def test_86_media_come_as_an_object_or_as_text(streamed, data_url, film):
    words = {"type": "text", "text": "dances"}
    for url in (data_url, {"url": data_url}, {"url": data_url, "detail": "low"}):
        parts = [words, {"type": "image_url", "image_url": url, "unknown": True}]
        assert streamed(messages=[{"role": "user", "content": parts}])[-1].choices[0].finish_reason == "stop"


def test_87_the_link_in_a_reply_plays_without_a_key(ask):
    reply = ask(lambda client: client.chat.completions.create(**CHAT, **LENGTH))

    url = re.search(r"\((http[^)]+)\)", reply.choices[0].message.content)[1]
    assert url.endswith(".mp4")
    played = httpx2.get(url)
    assert (played.status_code, played.headers["content-type"]) == (200, "video/mp4")


def test_88_models_are_listed_and_found_by_any_name(ask, http):
    listed = ask.all(lambda client: client.models.list())

    assert {model.id for model in listed} >= {"sora-2", "sora-2-pro", "gpt-image-2"}
    assert all(type(model.created) is int for model in listed)
    assert ask(lambda client: client.models.retrieve("sora-2")).id == "sora-2"
    with pytest.raises(NotFoundError) as unknown:
        ask(lambda client: client.models.retrieve("org/name"))
    assert unknown.value.code == "model_not_found"
    assert "org/name" in unknown.value.message
    assert http.get("/v1/models/org/name").json()["error"]["code"] == "model_not_found"


@pytest.mark.slow
def test_89_who_is_told_to_wait_waits_so_long_and_is_served(tmp_path, ask_of):
    options = ("--sandbox-delay", "0.5", "--queue-limit", "1")
    with Running("serve", tmp_path / "data", *options) as server, ask_of(server, "sync", max_retries=5) as ask:
        headers = {"Authorization": f"Bearer {ask.client.api_key}"}
        body = {"prompt": "a cat", "model": "sora-video", "size": "64x64", "seconds": "1"}
        with httpx2.Client(base_url=server.url, headers=headers, timeout=30) as http:
            replies = [http.post("/v1/videos", json=body) for _ in range(40)]
        full = next(reply for reply in replies if reply.status_code == 429)
        raw = ask(lambda client: client.chat.completions.with_raw_response.create(**CHAT, **LENGTH))

    assert full.json()["error"]["code"] == "queue_full"
    assert 0 < float(full.headers["retry-after"]) <= 60
    assert full.headers["x-should-retry"] == "true"
    assert raw.status_code == 200
