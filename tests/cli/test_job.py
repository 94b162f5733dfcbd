"""`sora2api job list` and `show`: the history of jobs, told while the server runs and when it does not."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from rig import Rig

SMALL = {"model": "sora-video", "size": "160x96", "seconds": 1, "prompt": "a heron"}


def shown(rig, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sora2api", "job", *command, "--data-dir", str(rig.data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("history"))
    rig.start_sandbox("--delay", "0.5")
    rig.connect("--set", "dialect=sandbox", name="first", video_slots=1)
    rig.start_server("--poll-interval", "0.3")
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def jobs(rig) -> list[str]:
    """Two jobs that are over: one was tried twice, one had to wait for the only slot."""
    rig.misbehave(method="POST", path="/v1/videos", status=503, body={"error": {"message": "busy"}})
    ids = [rig.http.post("/v1/videos", json=SMALL).json()["id"] for _ in range(2)]
    for job in ids:
        with rig.http.stream("GET", f"/v1/videos/{job}/events") as events:
            list(events.iter_lines())
    return ids


def history(rig, job: str):
    return json.loads(shown(rig, "show", job, "--json"))


def test_jobs_are_listed_the_newest_first(rig, jobs):
    listed = json.loads(shown(rig, "list", "--json"))

    assert [job["id"] for job in listed] == jobs[::-1]
    assert [line.split()[0] for line in shown(rig, "list").splitlines()] == jobs[::-1]
    assert json.loads(shown(rig, "list", "--status", "failed", "--json")) == []
    assert len(json.loads(shown(rig, "list", "--limit", "1", "--json"))) == 1


def test_each_try_is_told_with_its_account_and_its_error(rig, jobs):
    tried = [task for job in jobs for task in history(rig, job)["tasks"] if task["error"] is not None]

    assert [(task["account"], task["attempt"]) for task in tried] == [("first", 1)]
    assert tried[0]["error"]["code"] == "engine_busy"


def test_how_long_a_task_waited_and_for_what_is_told(rig, jobs):
    waits = [task["waited_for"] for job in jobs for task in history(rig, job)["tasks"] if task["waited_for"]]

    assert waits
    assert any("slot" in wait or "rest" in wait or "busy" in wait for wait in waits)


def test_the_last_try_has_all_its_moments_in_order(rig, jobs):
    for job in jobs:
        task = history(rig, job)["tasks"][-1]
        stages = ("asked_at", "intended_at", "submitted_at", "progressed_at", "made_at", "ended_at")
        moments = [task[name] for name in stages]

        assert None not in moments
        assert moments == sorted(moments)


def test_one_timeline_has_everything_in_the_order_of_time(rig, jobs):
    told = history(rig, jobs[0])
    moments = told["timeline"]

    assert [moment["at"] for moment in moments] == sorted(moment["at"] for moment in moments)
    whats = " ".join(moment["what"] for moment in moments)
    assert all(word in whats for word in ("request", "event 1", "video try 1", "call to first", "file"))
    assert [event["number"] for event in told["events"]] == list(range(1, len(told["events"]) + 1))
    assert told["events"][-1]["data"]["type"] == "ended"


def test_people_are_shown_it_in_a_hundred_columns(rig, jobs):
    text = shown(rig, "show", jobs[0])

    assert max(map(len, text.splitlines())) <= 100
    assert all(word in text for word in (jobs[0], "completed", "a heron", "first", "direct", "stored", "event 1"))


def test_it_is_the_same_when_the_server_does_not_run(rig, jobs):
    before = history(rig, jobs[0])
    rig.server.stop()

    after = history(rig, jobs[0])

    assert before["tasks"] == after["tasks"]
    assert before["events"] == after["events"]


def test_a_job_that_is_not_there_is_said(rig):
    done = subprocess.run(
        [sys.executable, "-m", "sora2api", "job", "show", "video_nothing", "--data-dir", str(rig.data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (1, "error: There is no job 'video_nothing' here.\n")
