"""SIGTERM in the midst of 200 jobs and 50 open streams."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from baddays.settling import BadDay, until

pytestmark = pytest.mark.slow

JOBS, STREAMS = 200, 50
WITHIN = 10.0


def followed(url: str, headers: dict[str, str], job: str) -> tuple[list[str], float]:
    """What a stream of a job's events said until it ended, and when it did; a broken one raises."""
    with httpx2.stream("GET", f"{url}/v1/videos/{job}/events", headers=headers, timeout=60) as reply:
        assert reply.status_code == 200
        said = [json.loads(line[6:])["type"] for line in reply.iter_lines() if line.startswith("data: ")]
    return said, time.monotonic()


def not_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=5).status_code == 503
    except httpx2.TransportError:
        return True


def test_a_stop_ends_streams_cleanly_and_the_next_start_goes_on_with_all_jobs(rig):
    rig.start_sandbox("--delay", "4")
    rig.connect("--set", "dialect=sandbox", video_slots=64)
    rig.start_server("--poll-interval", "1")
    day = BadDay(rig)
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda number: day.begin(f"one of eight pictures, {number % 8}"), range(JOBS)))
    unfinished = rig.rows("SELECT id FROM jobs WHERE completed_at IS NULL")
    with ThreadPoolExecutor(STREAMS) as pool:
        url = rig.server.url
        open_ = [pool.submit(followed, url, rig.headers, row[0]) for row in unfinished[-STREAMS:]]
        time.sleep(1)
        asked = time.monotonic()
        rig.server.signal(signal.SIGTERM)
        until(lambda: not_ready(url), within=WITHIN / 2)
        ends = [stream.result(30) for stream in open_]
        assert rig.server.wait() == 0
        stopped = time.monotonic()

    assert len(ends) == STREAMS
    assert all("ended" not in said and "accepted" in said for said, _ in ends)
    assert max(at for _, at in ends) - asked < WITHIN
    assert stopped - asked < WITHIN + 5

    rig.start_server("--poll-interval", "1")
    for job in jobs:
        day.completed(job)
    day.settled(creates=JOBS)
