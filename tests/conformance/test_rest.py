"""The conformance list, 90 to 93: webhooks, other clients, unknown fields and prompts in any script."""

from collections.abc import Iterator

import pytest
from openai import BadRequestError, OpenAI
from ways.rigs import becomes
from webhooks.receivers import NEAR, Receiver

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

UNICODE = "Котёнок 🐈 在雨中 عربي ünï\n“quoted” \\ & %C3"


@pytest.fixture(scope="module")
def options():
    return NEAR


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.mark.slow
def test_90_an_end_is_told_again_until_it_is_taken_and_verifies_with_either_secret(server, ask_of, receiver):
    asked = {"name": "one", "url": receiver.url, "event_types": ["video.completed", "video.failed"]}
    receiver.status = 503
    with ask_of(server, "sync") as ask:
        endpoint = ask(lambda client: client.webhooks.create(**asked))
        rotated = ask(
            lambda client: client.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
        )
        video = ask.made()

        def told():
            return [one for one in receiver.wait() if one.event(endpoint.signing_secret).data.id == video.id]

        assert becomes(lambda: len(told()) == 1)
        receiver.status = 200
        assert becomes(lambda: len(told()) == 2)
        ask(lambda client: client.webhooks.delete(endpoint.id))

    refused, taken = told()
    assert refused.id == taken.id
    for secret in (endpoint.signing_secret, rotated.signing_secret):
        assert taken.event(secret).type == "video.completed"


def test_90_a_failure_is_told_too(ask, small, receiver):
    asked = {"name": "two", "url": receiver.url, "event_types": ["video.failed"]}
    endpoint = ask(lambda client: client.webhooks.create(**asked))

    ask(lambda client: client.videos.create(prompt="a cat [refuse]", **small))

    told = receiver.wait()[0]
    ask(lambda client: client.webhooks.delete(endpoint.id))
    assert told.event(endpoint.signing_secret).type == "video.failed"


@pytest.mark.parametrize("url", ["http://10.0.0.1/hook", "http://169.254.169.254/", "http://[fd00::1]/"])
def test_90_a_private_target_is_refused(ask, url):
    with pytest.raises(BadRequestError) as refused:
        ask(lambda client: client.webhooks.create(name="x", url=url, event_types=["video.failed"]))

    assert (refused.value.code, refused.value.param) == ("link_refused", "url")


def test_91_a_gateway_that_decodes_types_strictly_reads_a_video_and_its_parts(ask, http, small):
    video = http.get(f"/v1/videos/{ask.made(**small).id}").json()

    for key, kind in {
        "id": str,
        "status": str,
        "seconds": str,
        "size": str,
        "progress": int,
        "created_at": int,
    }.items():
        assert type(video[key]) is kind, key
    part = http.get(f"/v1/videos/{video['id']}/content", headers={"Range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}], ids=["form", "json"])
def test_92_unknown_fields_are_no_fault_of_ours(ask, small, headers):
    unknown = {"surprise": {"a": [1, {"b": None}]}, "user": "u", "metadata": {"a": "b"}, "n": 3, "seed": "x"}

    video = ask(lambda client: client.videos.create(prompt="a cat", extra_body=unknown, extra_headers=headers, **small))

    assert video.status == "queued"


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}], ids=["form", "json"])
def test_93_a_prompt_comes_back_as_it_was_written(ask, small, headers):
    video = ask(lambda client: client.videos.create(prompt=UNICODE, extra_headers=headers, **small))

    assert video.prompt == UNICODE
    assert ask(lambda client: client.videos.retrieve(video.id)).prompt == UNICODE


def test_93_a_key_in_an_environment_variable_is_all_that_an_sdk_needs(server, monkeypatch, small):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "han1234")

    with OpenAI() as client:
        assert client.videos.create(prompt=UNICODE, **small).prompt == UNICODE
