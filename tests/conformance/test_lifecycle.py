"""The conformance list, 31 to 46: what becomes of a video, and following it."""

import json
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from openai import APITimeoutError, DefaultHttpxClient, NotFoundError, OpenAI
from running import Running
from ways.rigs import becomes

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")


@pytest.fixture(scope="module")
def options():
    return ("--sandbox-delay", "0.4")


@pytest.fixture(scope="module")
def watched(http, small):
    """All that a video showed of itself from its creation to its end, without what stayed the same."""
    shown = [http.post("/v1/videos", json=small | {"prompt": "a slow cat"}).json()]
    while shown[-1]["status"] in ("queued", "in_progress"):
        now = http.get(f"/v1/videos/{shown[0]['id']}").json()
        if now != shown[-1]:
            shown.append(now)
    return shown


@pytest.fixture(scope="module")
def stranger(server) -> str:
    """A key of somebody who has nothing."""
    command = (sys.executable, "-m", "sora2api", "key", "create", "--name", "other", "--json", "--data-dir")
    made = subprocess.run([*command, str(server.folder)], check=True, capture_output=True)
    known = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
    assert becomes(lambda: httpx2.get(f"{server.url}/v1/models", headers=known).is_success)
    return json.loads(made.stdout)["key"]


def test_31_a_video_is_found_by_its_id(ask, small):
    video = ask(lambda client: client.videos.create(prompt="a cat", **small))

    assert ask(lambda client: client.videos.retrieve(video.id)).id == video.id


def test_32_a_video_goes_from_queued_to_in_progress_to_its_end(watched):
    states = [video["status"] for video in watched]

    order = ["queued", "in_progress", "completed"]
    assert set(states) <= set(order)
    assert states == sorted(states, key=order.index)
    assert (states[0], states[-1]) == ("queued", "completed")


def test_33_progress_is_a_whole_number_that_never_falls_and_ends_at_100(watched):
    progress = [video["progress"] for video in watched]

    assert all(type(percent) is int for percent in progress)
    assert progress == sorted(progress)
    assert [video["progress"] == 100 for video in watched] == [video["status"] == "completed" for video in watched]


def test_34_the_end_says_when_it_was_and_until_when_the_file_stays(watched):
    assert watched[0]["completed_at"] is None
    assert watched[-1]["created_at"] <= watched[-1]["completed_at"] < watched[-1]["expires_at"]


def test_35_a_video_that_failed_is_no_error_of_the_request(ask, http, small):
    video = ask(lambda client: client.videos.create(prompt="a cat [refuse]", **small))
    assert becomes(lambda: ask(lambda client: client.videos.retrieve(video.id)).status == "failed")

    reply = http.get(f"/v1/videos/{video.id}")

    assert reply.status_code == 200
    assert reply.json()["error"]["code"] == "moderation_blocked"
    assert reply.json()["error"]["message"]


def test_36_an_unknown_id_is_not_found(ask):
    with pytest.raises(NotFoundError) as unknown:
        ask(lambda client: client.videos.retrieve("video_unknown"))

    assert unknown.value.code == "not_found"


def test_37_somebody_elses_id_is_not_found(ask, stranger, small):
    other = ask.using(api_key=stranger)
    video = ask(lambda client: client.videos.create(prompt="a cat", **small))

    for call in ("retrieve", "delete", "download_content"):
        with pytest.raises(NotFoundError):
            other(lambda client, call=call: getattr(client.videos, call)(video.id))
    assert other.all(lambda client: client.videos.list()) == []


def test_38_create_and_poll_ends_with_the_video_completed(ask):
    assert ask.made().progress == 100


def test_39_a_poll_is_told_when_to_ask_again_and_the_sdk_does(ask, small):
    video = ask(lambda client: client.videos.create(prompt="a cat", **small))
    unfinished = ask(lambda client: client.videos.with_raw_response.retrieve(video.id))
    begun = time.monotonic()

    finished = ask(lambda client: client.videos.poll(video.id))

    wait = int(unfinished.headers["openai-poll-after-ms"])
    assert wait > 0
    assert finished.status == "completed"
    assert time.monotonic() - begun >= wait / 1000
    ended = ask(lambda client: client.videos.with_raw_response.retrieve(video.id))
    assert "openai-poll-after-ms" not in ended.headers


def test_40_create_and_poll_returns_a_video_that_failed(ask, small):
    video = ask(lambda client: client.videos.create_and_poll(prompt="a cat [refuse]", poll_interval_ms=30, **small))

    assert (video.status, video.progress < 100) == ("failed", True)


class Interrupted(httpx2.HTTPTransport):
    """Answers the second look at a video with 503, as something between client and server may."""

    looks = 0

    def handle_request(self, request):
        self.looks += request.method == "GET"
        if request.method == "GET" and self.looks == 2:
            return httpx2.Response(503, headers={"Retry-After": "0.1"}, json={"error": None}, request=request)
        return super().handle_request(request)


def test_41_a_poll_goes_on_after_a_503(server, small):
    transport = Interrupted()
    http = DefaultHttpxClient(transport=transport)
    with OpenAI(base_url=f"{server.url}/v1", api_key="han1234", http_client=http) as client:
        video = client.videos.create_and_poll(prompt="a cat", poll_interval_ms=30, **small)

    assert video.status == "completed"
    assert transport.looks > 2


@pytest.mark.slow
def test_42_a_poll_goes_on_over_a_restart(tmp_path, small):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ("--port", port, "--sandbox-delay", "1.5")
    server = Running("serve", tmp_path, *options)
    client = OpenAI(base_url=f"{server.url}/v1", api_key="han1234", max_retries=8)
    with client, ThreadPoolExecutor() as pool:
        video = client.videos.create(prompt="a cat", **small)
        ended = pool.submit(client.videos.poll, video.id, poll_interval_ms=100)
        assert becomes(lambda: client.videos.retrieve(video.id).status == "in_progress")
        server.kill()
        with Running("serve", tmp_path, *options):
            assert ended.result(60).status == "completed"


def test_46_a_request_that_an_sdk_sends_again_is_worked_once(ask, small):
    chat = {"model": "sora-video", "messages": [{"role": "user", "content": f"a cat, {time.monotonic()}"}]}
    length = {"size": small["size"], "seconds": 1}
    before = {video.id for video in ask.all(lambda client: client.videos.list(limit=100))}

    with pytest.raises(APITimeoutError):
        ask.using(max_retries=0, timeout=0.3)(lambda client: client.chat.completions.create(**chat, extra_body=length))
    again = ask(
        lambda client: client.chat.completions.create(
            **chat, extra_body=length, extra_headers={"x-stainless-retry-count": "1"}
        )
    )

    made = {video.id for video in ask.all(lambda client: client.videos.list(limit=100))} - before
    assert made == {again.model_extra["sora2api"]["job"]}


def test_46_an_idempotency_key_is_honoured(ask, small):
    headers = {"Idempotency-Key": f"key-{time.monotonic()}"}

    first, second = (
        ask(lambda client: client.videos.create(prompt="a cat", extra_headers=headers, **small)) for _ in range(2)
    )

    assert first.id == second.id
