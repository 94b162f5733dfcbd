"""What an operator does to all jobs at once: the intake paused, many jobs cancelled, by command beside the server."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rig import Rig

pytestmark = pytest.mark.slow

NOTICED_WITHIN = 5.0


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + NOTICED_WITHIN
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


def post(rig: Rig, *, key: str | None = None, **fields: Any) -> httpx2.Response:
    body = {"model": "sora-video", "prompt": "a pier", "size": "160x96", "seconds": 1, **fields}
    return rig.http.post("/v1/videos", json=body, headers={"Idempotency-Key": key} if key else {})


def status(rig: Rig, job: str) -> str:
    return rig.rows(f"SELECT status FROM jobs WHERE id = '{job}'")[0][0]


@pytest.fixture(scope="module")
def slow(tmp_path_factory) -> Iterator[Rig]:
    """A server whose two slots are soon taken for long."""
    rig = Rig(tmp_path_factory.mktemp("rig"))
    rig.start_sandbox("--delay", "600")
    rig.connect(video_slots=2)
    rig.start_server()
    yield rig
    rig.close()


def test_a_pause_refuses_new_jobs_and_answers_for_those_that_are_there(slow):
    there = post(slow, key="asked before").raise_for_status().json()["id"]
    slow.run("job", "pause")
    refused = until(lambda: (reply := post(slow)).status_code == 503 and reply)

    assert refused.json()["error"]["code"] == "intake_paused"
    assert int(refused.headers["retry-after"]) > 0
    assert post(slow, key="asked before").json()["id"] == there
    assert slow.get(f"/v1/videos/{there}").json()["status"] in ("queued", "in_progress")

    slow.run("job", "resume")
    until(lambda: post(slow).is_success)
    slow.run("job", "cancel", "--model", "sora-video")


def test_a_pause_outlasts_a_restart_and_lets_existing_jobs_end(rig):
    rig.start_sandbox("--delay", "1.5")
    rig.connect()
    rig.start_server()
    job = post(rig).json()["id"]
    rig.run("job", "pause")
    rig.server.kill()
    rig.start_server()

    assert post(rig).json()["error"]["code"] == "intake_paused"
    assert rig.ended(job)["status"] == "completed"
    rig.run("job", "resume")
    assert until(lambda: post(rig).is_success)


def test_a_pause_by_the_command_line_is_not_ended_beside_it(rig):
    rig.start_sandbox("--delay", "0")
    rig.connect()
    rig.run("job", "resume")
    rig.start_server("--paused")
    time.sleep(1.5)  # the revision has been looked at

    assert post(rig).json()["error"]["code"] == "intake_paused"


def test_the_jobs_selected_are_cancelled_and_no_others(slow):
    worked = [post(slow).json()["id"] for _ in range(2)]
    for job in worked:
        until(lambda job=job: status(slow, job) == "in_progress")
    waiting = [post(slow).json()["id"] for _ in range(2)]
    other = post(slow, model="sora-video-portrait-10s", size=None, seconds=None)
    assert other.is_success, other.text

    said = slow.run("job", "cancel", "--status", "queued", "--model", "sora-video")

    assert set(said["cancelled"]) == set(waiting)
    for job in waiting:
        assert slow.ended(job)["error"]["code"] == "cancelled"
    assert [status(slow, job) for job in worked] == ["in_progress"] * 2
    assert status(slow, other.json()["id"]) == "queued"
    assert slow.run("job", "cancel", "--older-than", "1h")["cancelled"] == []
    assert set(slow.run("job", "cancel", *worked)["cancelled"]) == set(worked)
    for job in worked:
        assert slow.ended(job)["status"] == "failed"
    slow.run("job", "cancel", other.json()["id"])
    until(lambda: slow.rows("SELECT id FROM tasks WHERE ended_at IS NULL") == [])


def test_the_jobs_of_a_key_are_cancelled_by_its_name(slow):
    made = slow.run("key", "create", "--name", "guest")
    mine = post(slow).json()["id"]

    def ask() -> Any:
        body = {"model": "sora-video", "prompt": "a pier", "size": "160x96", "seconds": 1}
        headers = {"Authorization": f"Bearer {made['key']}"}
        reply = httpx2.post(f"{slow.server.url}/v1/videos", json=body, headers=headers, timeout=30)
        return reply.is_success and reply.json()["id"]

    theirs = until(ask)

    assert slow.run("job", "cancel", "--key", "guest")["cancelled"] == [theirs]
    until(lambda: status(slow, theirs) == "cancelled")
    assert status(slow, mine) != "cancelled"
    slow.run("job", "cancel", mine)


def test_jobs_cancelled_while_no_server_runs_are_cancelled_by_the_next(rig):
    rig.start_sandbox("--delay", "600")
    rig.connect(video_slots=1)
    rig.start_server()
    jobs = [post(rig).json()["id"] for _ in range(3)]
    until(lambda: rig.creates() == 1)
    rig.server.stop()
    rig.run("job", "cancel", "--model", "sora-video")
    rig.start_server()

    for job in jobs:
        assert rig.ended(job)["error"]["code"] == "cancelled"
    until(lambda: rig.rows("SELECT id FROM tasks WHERE ended_at IS NULL") == [])
    assert rig.creates() == 1


def test_a_job_is_claimed_by_the_one_server_that_runs_and_by_nobody_when_it_is_over(rig, tmp_path: Path):
    rig.start_sandbox("--delay", "2")
    rig.connect()
    rig.start_server()
    job = post(rig).json()["id"]
    (first,) = rig.rows("SELECT id FROM workers")
    assert rig.rows("SELECT worker FROM jobs") == [first]
    rig.server.kill()
    rig.start_server()
    (second,) = rig.rows("SELECT id FROM workers")

    assert second != first
    assert rig.rows("SELECT worker FROM jobs") == [second]
    assert rig.ended(job)["status"] == "completed"
    assert rig.rows("SELECT worker FROM jobs") == [(None,)]
    rig.server.stop()
    assert rig.rows("SELECT id FROM workers") == []
