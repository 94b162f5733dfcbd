"""What an unfinished video says of how long it will take."""

import time

import pytest
from ways.rigs import becomes


@pytest.fixture
def made(serve):
    """A server whose videos take a second, and that has made one."""
    server = serve("--sandbox-delay", "1")
    server.ended(server.begin())
    return server


def test_before_any_video_was_made_nothing_is_promised(serve):
    server = serve("--sandbox-delay", "600")
    job = server.begin()
    reply = server.http.get(f"/v1/videos/{job}")

    assert "eta_seconds" not in reply.json()
    assert reply.headers["openai-poll-after-ms"] == "1000"
    server.http.delete(f"/v1/videos/{job}")


def test_a_video_is_expected_as_soon_as_those_before_it(made):
    begun = time.monotonic()
    created = made.http.post("/v1/videos", json={"prompt": "a pier", "model": "sora-video", "seconds": "1"})

    assert 1 <= created.json()["eta_seconds"] <= 10
    assert 500 <= int(created.headers["openai-poll-after-ms"]) <= 1000
    over = made.ended(created.json()["id"])
    assert {"eta_seconds", "queue_position"} & over.keys() == set()
    assert time.monotonic() - begun < 30


def test_those_who_wait_are_told_their_place(serve):
    server = serve("--sandbox-delay", "600")
    jobs = [server.begin() for _ in range(10)]

    assert becomes(lambda: [server.job(job).get("queue_position") for job in jobs] == [None] * 8 + [1, 2])
    server.http.post(f"/v1/videos/{jobs[0]}/cancel")
    assert becomes(lambda: [server.job(job).get("queue_position") for job in jobs[-2:]] == [None, 1])
