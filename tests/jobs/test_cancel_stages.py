"""A cancel ends a job at once at whatever stage it is, and leaves no slot held, no file astray and no task unseen."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rig import Rig

pytestmark = pytest.mark.slow

STORYBOARD = "[1.0s]a cat jumps [1.0s]a cat lands"
AT_ONCE = 3.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"))
    rig.start_sandbox("--delay", "0.3", "--without", "shots")
    rig.connect("--set", "dialect=sandbox", video_slots=2)
    rig.start_server("--poll-interval", "0.3")
    yield rig
    rig.close()


def until(look: Callable[[], Any], *, within: float = 20.0) -> Any:
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
    return found


def cancel(rig: Rig, job: str) -> dict[str, Any]:
    began = time.monotonic()
    video = rig.http.post(f"/v1/videos/{job}/cancel").raise_for_status().json()
    assert time.monotonic() - began < AT_ONCE
    return video


def settled(rig: Rig) -> bool:
    return rig.unsettled() is None


STAGES = {
    "submitting": (
        {"method": "POST", "path": "/v1/videos", "delay": 1.5},
        "SELECT 1 FROM tasks WHERE job_id = '{job}' AND submitted_at IS NULL",
    ),
    "running": (
        {"method": "GET", "path": "/v1/videos/*", "change": {"status": "in_progress"}, "times": 200},
        "SELECT 1 FROM tasks WHERE job_id = '{job}' AND engine_task IS NOT NULL",
    ),
    "fetching": (
        {"method": "GET", "path": "/v1/videos/*/content", "delay": 5},
        None,
    ),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_ends_at_once_while_it_is(shared, stage):
    fault, shows = STAGES[stage]
    shared.misbehave(**fault)
    job = shared.ask(f"a cat that is {stage}")
    if shows is None:
        until(lambda: not shared.http.get(f"{shared.sandbox.url}/_sandbox/faults").json())
    else:
        until(lambda: shared.rows(shows.format(job=job)))

    video = cancel(shared, job)

    assert (video["status"], video["error"]["code"]) == ("failed", "cancelled")
    until(lambda: settled(shared))
    shared.http.delete(f"{shared.sandbox.url}/_sandbox/faults")
    assert shared.ended(shared.ask("the next cat"))["status"] == "completed"


def test_a_job_that_waits_for_a_slot_ends_at_once_and_is_never_made(shared):
    shared.misbehave(method="POST", path="/v1/videos", delay=1.5, times=2)
    before = shared.creates()
    worked = [shared.ask(f"a cat at work, {number}") for number in range(2)]
    waiting = shared.ask("a cat in the queue")

    assert cancel(shared, waiting)["error"]["code"] == "cancelled"
    assert [shared.ended(job)["status"] for job in worked] == ["completed"] * 2
    assert shared.creates() - before == 2
    until(lambda: settled(shared))


def test_a_cancel_at_any_moment_leaves_nothing_astray(shared):
    """Composed of two clips, a job fetches, trims, joins and stores for much of its time."""
    chance = random.Random(4)
    began = time.monotonic()
    assert shared.ended(shared.ask(f"{STORYBOARD} untouched"))["status"] == "completed"
    usual = time.monotonic() - began

    for number in range(12):
        job = shared.ask(f"{STORYBOARD} number {number}")
        time.sleep(chance.uniform(0.3, 1.0) * usual)
        video = cancel(shared, job)
        assert video["status"] == "completed" or video["error"]["code"] == "cancelled"

    statuses = {status for (status,) in shared.rows("SELECT status FROM jobs WHERE prompt LIKE '%number%'")}
    assert "cancelled" in statuses
    until(lambda: settled(shared))
