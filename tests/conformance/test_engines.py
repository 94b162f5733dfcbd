"""The conformance list where it looks behind the server: 43 to 45, 54, 55, 61, 64 and 94."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx2
import pytest
from conformance.engines import LARGE, Engine
from running import Running
from ways.rigs import becomes

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

POLL: Final = 0.2


def account(data: Path, url: str, *options: str) -> str:
    """Add an account at an engine; the key that clients get with the first."""
    command = (sys.executable, "-m", "sora2api", "account", "add", "--driver", "openai", "--base-url", url)
    told = (*command, "--data-dir", str(data), "--json", *options)
    return json.loads(subprocess.run(told, check=True, capture_output=True).stdout)["issued"]["key"]


@pytest.fixture(scope="module")
def engine(film) -> Iterator[Engine]:
    engine = Engine(film[1])
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory, engine) -> Iterator[tuple[Running, str]]:
    data = tmp_path_factory.mktemp("engines") / "data"
    key = account(data, engine.url)
    with Running("serve", data, "--poll-interval", str(POLL)) as server:
        yield server, key


@pytest.fixture(scope="module", params=["sync", "async"])
def ask(request, served, ask_of):
    server, key = served
    with ask_of(server, request.param, key=key) as ask:
        yield ask


def failed(ask, small, prompt):
    """The error of a video that fails, which is no error of the request."""
    video = ask(lambda client: client.videos.create_and_poll(prompt=prompt, poll_interval_ms=30, **small))
    assert video.status == "failed"
    assert isinstance(video.error.message, str)
    return video.error


def test_43_a_failure_told_by_an_error_status_is_a_failed_video_here(ask, small):
    error = failed(ask, small, "fails with an error status")

    assert "out of memory" in error.message
    assert isinstance(error.code, str)


def test_44_a_failure_told_without_a_code_gets_one(ask, small):
    assert failed(ask, small, "fails without a code").code == "engine_fault"


def test_45_what_the_engine_has_forgotten_is_lost(ask, small):
    assert failed(ask, small, "is forgotten").code == "task_lost"


def test_54_the_content_is_the_engines_byte_for_byte(ask, small, engine):
    video = ask.made("is fine")

    content = ask(lambda client: client.videos.download_content(video.id))

    assert content.content == engine.clip
    assert content.response.headers["content-type"] == "video/mp4"
    assert content.response.headers["content-length"] == str(len(engine.clip))


def test_55_a_variant_that_is_said_is_not_passed_on(ask, engine):
    video = ask.made("is fine")

    assert ask(lambda client: client.videos.download_content(video.id, variant="video")).content == engine.clip


def test_61_a_large_file_passes_through_with_memory_flat(served, ask_of, engine):
    server, key = served
    with ask_of(server, "sync", key=key) as ask:
        video = ask.made("is large")
        resident = memory(server)
        for _ in range(3):
            with ask.client.videos.with_streaming_response.download_content(video.id) as reply:
                assert sum(map(len, reply.iter_bytes())) == len(engine.clip) + LARGE

    assert memory(server) - resident < LARGE // 4


def memory(server: Running) -> int:
    """What a process has in memory, in bytes."""
    lines = Path(f"/proc/{server._process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def test_64_a_download_that_is_left_has_asked_nothing_of_the_engine(served, ask_of, engine):
    server, key = served
    with ask_of(server, "sync", key=key) as ask:
        video = ask.made("is large")
        asked = len(engine.contents)
        with ask.client.videos.with_streaming_response.download_content(video.id) as reply:
            next(reply.iter_bytes())
        ask(lambda client: client.videos.retrieve(video.id))

    assert len(engine.contents) == asked


def test_94_a_hundred_polls_at_once_are_none_more_at_the_engine(served, small, engine):
    server, key = served
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=30) as http, ThreadPoolExecutor(20) as pool:
        video = http.post("/v1/videos", json=small | {"prompt": "goes on"}).json()["id"]
        assert becomes(lambda: engine.looks("goes on") > 0)
        before, begun = engine.looks("goes on"), time.monotonic()
        polls = list(pool.map(lambda _: http.get(f"/v1/videos/{video}").status_code, range(100)))
        looked, lasted = engine.looks("goes on") - before, time.monotonic() - begun
        http.delete(f"/v1/videos/{video}")

    assert polls == [200] * 100
    assert looked <= 2 + lasted / POLL
