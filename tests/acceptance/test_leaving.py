"""Clients that go away, and servers that are told to stop, in the middle of a stream."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest


def _until(holds, *, seconds=5.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("stream", [True, False])
def test_a_job_goes_on_without_the_client_that_asked_for_it(gentle, stream):
    job = _left(gentle, stream=stream)

    assert gentle.job(job)["status"] in ("queued", "in_progress")
    assert gentle.ended(job)["status"] == "completed"


def test_it_is_cancelled_where_that_is_set(serve):
    server = serve("--sandbox-delay", "60", "--cancel-on-disconnect")

    for job in (_left(server, stream=True), _left(server, stream=False)):
        _until(lambda job=job: server.job(job)["status"] == "failed")
        assert server.job(job)["error"]["code"] == "cancelled"


def _left(server, *, stream: bool) -> str:
    """A job whose client has gone away in the middle."""
    if stream:
        return server.begin()
    server.http.timeout = httpx2.Timeout(0.7)
    with pytest.raises(httpx2.ReadTimeout):
        server.chat("a slow cat")
    server.http.timeout = httpx2.Timeout(60)
    return server.rows("select id from jobs order by created_at desc")[0][0]


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        (signal.SIGTERM, False),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.slow),
        (signal.SIGINT, True),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.slow),
    ],
    ids=["SIGTERM", "SIGTERM to the group", "SIGINT to the group, as a terminal sends it", "SIGINT"],
)
def test_a_stop_ends_streams_cleanly_and_the_job_goes_on_at_the_next_start(serve, number, whole_group):
    server = serve("--sandbox-delay", "15", group=True)
    with server.streaming("a cat that outlives its server") as response:
        lines = (line for line in response.iter_lines() if line.startswith("data: "))
        heard = [json.loads(next(lines)[6:]) for _ in range(4)]
        job = heard[0]["sora2api"]["job"]
        began = time.monotonic()
        if whole_group:
            os.killpg(server.process.pid, number)
        else:
            server.signal(number)
        *_, error, done = lines
    assert time.monotonic() - began < 10  # its job is at work for longer

    assert done == "data: [DONE]"
    said = json.loads(error[6:])
    assert (said["error"]["code"], said["sora2api"]["job"]) == ("draining", job)
    assert server.wait() == 0
    again = serve("--sandbox-delay", "0.2")
    assert again.ended(job)["status"] == "completed"
    assert again.rows("select count(*) from jobs") == [(1,)]


def test_a_stop_ends_waits_and_events_too(serve, refused):
    server = serve("--sandbox-delay", "60")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.chat, "a cat")
        _until(lambda: server.rows("select 1 from tasks where engine_task is not null"))
        (job,) = server.rows("select id from jobs")[0]
        following = pool.submit(server.events, job)
        time.sleep(0.3)
        server.signal(signal.SIGTERM)
        reply = waiting.result(timeout=20)
        events = following.result(timeout=20)

    assert job in refused(reply, 503, "draining")["message"]
    assert reply.headers["x-should-retry"] == "false"
    assert "ended" not in [event["type"] for event in events]
    assert server.wait() == 0
