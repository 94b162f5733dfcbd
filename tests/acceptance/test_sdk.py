"""OpenAI's own SDK, unchanged, chats with the server."""

import base64
import time

import pytest
from openai import (
    APIError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    OpenAI,
)
from openai.types.chat import ChatCompletion, ChatCompletionChunk

ASK = {"model": "sora-video", "messages": [{"role": "user", "content": "a cart"}]}
SMALL = {"size": "160x96", "seconds": 1}


@pytest.fixture
def openai(server):
    with OpenAI(base_url=f"{server.url}/v1", api_key="han1234") as client:
        yield client


@pytest.fixture
async def openai_async(server):
    async with AsyncOpenAI(base_url=f"{server.url}/v1/", api_key="han1234") as client:
        yield client


def test_a_reply_is_valid_and_its_extensions_can_be_read(openai):
    reply = openai.chat.completions.create(**ASK, extra_body=SMALL)

    ChatCompletion.model_validate(reply.model_dump(), strict=True)
    assert reply.choices[0].finish_reason == "stop"
    assert reply.choices[0].message.content.startswith("[video](http")
    assert reply.sora2api["status"] == "completed"
    assert reply._request_id.startswith("req_")


def test_a_stream_is_valid_and_ends(openai):
    with openai.chat.completions.create(
        **ASK, stream=True, stream_options={"include_usage": True}, extra_body=SMALL
    ) as stream:
        chunks = list(stream)

    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
    assert any(getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks[:-1])
    assert chunks[-1].usage.total_tokens == 0


async def test_the_async_client_is_done_as_soon_as_the_stream_is(openai_async):
    stream = await openai_async.chat.completions.create(**ASK, stream=True, extra_body=SMALL)
    finished = None
    async for chunk in stream:
        finished = time.monotonic() if chunk.choices[0].finish_reason else None

    assert finished is not None
    assert time.monotonic() - finished < 0.5


async def test_the_async_client_reads_whole_replies_and_raw_ones(openai_async):
    raw = await openai_async.chat.completions.with_raw_response.create(
        model="sora-image", messages=[{"role": "user", "content": "a cart"}]
    )

    assert raw.headers["x-sora2api-engine"] == "sandbox"
    assert raw.parse().choices[0].message.content.startswith("![image](http")


def test_errors_are_of_the_right_class_and_are_not_retried(openai, server):
    before = server.traces()

    with pytest.raises(NotFoundError) as unknown:
        openai.chat.completions.create(**ASK | {"model": "sora-9"})
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert unknown.value.request_id.startswith("req_")
    with pytest.raises(BadRequestError) as empty:
        openai.chat.completions.create(model="sora-video", messages=[])
    assert empty.value.param == "messages"
    with pytest.raises(AuthenticationError):
        openai.with_options(api_key="sk-no").models.list()
    assert server.traces() == before


def test_a_refusal_is_raised_in_a_stream_too_and_makes_one_job(openai, server):
    jobs, _ = server.traces()
    refusal = ASK | {"messages": [{"role": "user", "content": "a cart [refuse]"}]}

    with pytest.raises(BadRequestError) as whole:
        openai.chat.completions.create(**refusal, extra_body=SMALL)
    with pytest.raises(APIError) as streamed:
        list(openai.chat.completions.create(**refusal, stream=True, extra_body=SMALL))

    assert (whole.value.code, streamed.value.code) == ("moderation_blocked", "moderation_blocked")
    assert server.traces()[0] == jobs + 2


def test_a_wait_that_is_too_long_is_not_begun_again(impatient):
    jobs, _ = impatient.traces()

    with (
        OpenAI(base_url=f"{impatient.url}/v1", api_key="han1234") as client,
        pytest.raises(InternalServerError) as error,
    ):
        client.chat.completions.create(**ASK, extra_body=SMALL)

    assert error.value.code == "wait_timeout"
    assert impatient.traces()[0] == jobs + 1


def test_models_are_listed_and_looked_up(openai):
    assert "sora-2" in [model.id for model in openai.models.list()]
    assert openai.models.retrieve("sora-image").owned_by == "sora2api"
    with pytest.raises(NotFoundError):
        openai.models.retrieve("org/name")


@pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")
def test_chats_are_videos_like_others(openai, server):
    made = server.stream("a cart of hay")

    video = openai.videos.retrieve(made.job)
    assert (video.status, video.prompt) == ("completed", "a cart of hay")
    assert openai.videos.download_content(made.job).read() == server.file(made.outcome["assets"][0]["url"])
    assert made.job in [one.id for one in openai.videos.list(limit=1)]
    assert openai.videos.delete(made.job).deleted


# What clients send beside the documented.


@pytest.mark.parametrize(
    "prompt",
    ["word " * 6000, "Котёнок 🐈 在雨中 \u202e\u0000 عربي", "{{}} [[s] @@ s_ {anime}"],
    ids=["long", "mixed", "odd"],
)
def test_any_prompt_makes_a_picture(server, prompt):
    made = server.chat(prompt, model="sora-image", size=None, seconds=None)

    assert made.status_code == 200, made.text
    assert server.job(made.json()["sora2api"]["job"])["prompt"] == prompt.strip()


def test_what_is_not_known_is_passed_over(server, picture, text):
    content = [text("a cart"), {"type": "input_audio", "input_audio": {}}, picture | {"detail": "low"}, text("at dusk")]
    history = [
        {"role": "system", "content": "be kind", "name": "x"},
        {"role": "user", "content": "a train"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": content},
        {"role": "assistant", "content": "..."},
    ]
    unknown = {"temperature": 1, "max_tokens": None, "user": "u", "metadata": {"a": 1}, "tools": [], "x": [{}]}

    made = server.stream("", messages=history, **unknown)

    assert server.job(made.job)["prompt"] == "a cart\nat dusk"
    assert len(server.rows(f"select 1 from assets where job_id = '{made.job}' and role = 'input'")) == 1


def test_several_images_and_fields_beside_the_messages_are_taken(server, picture, photo, url_of, text):
    several = server.stream([text("mixed"), picture, picture], model="sora-image", size=None, seconds=None)
    beside = server.stream("mixed", image=url_of(photo, "image/png").partition(",")[2])

    assert several.outcome["status"] == beside.outcome["status"] == "completed"
    (plan,) = server.rows(f"select plan from jobs where id = '{several.job}'")[0]
    assert plan.count(b'"kept"') == 2
    (plan,) = server.rows(f"select plan from jobs where id = '{beside.job}'")[0]
    assert plan.count(b'"kept"') == 1


def test_base64_may_be_wrapped_in_lines(server, photo, text):
    url = "data:image/png;base64," + base64.encodebytes(photo).decode()

    assert server.stream([text("at dusk"), {"type": "image_url", "image_url": url}]).outcome["status"] == "completed"
