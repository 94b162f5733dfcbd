"""A job that takes longer than its mode allows fails, whatever its engine says, and over a restart too."""

import time

import pytest
from rig import Rig

from sora2api.errors import InvalidValue
from sora2api.settings import load

pytestmark = pytest.mark.slow


def begin(rig: Rig, **fields: object) -> str:
    body = {"model": "sora-video", "prompt": "a pier", "size": "160x96", "seconds": 1, **fields}
    return rig.http.post("/v1/videos", json=body).raise_for_status().json()["id"]


def begun(rig: Rig) -> None:
    """The engine has the task, and we know it."""
    deadline = time.monotonic() + 10
    while not rig.rows("SELECT id FROM tasks WHERE engine_task IS NOT NULL"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def live(rig: Rig) -> list[tuple[object, ...]]:
    return rig.rows("SELECT id FROM tasks WHERE ended_at IS NULL")


def test_a_job_that_takes_too_long_fails_and_its_task_is_stopped_at_the_engine(rig):
    rig.start_sandbox("--delay", "600")
    rig.connect()
    rig.start_server("--deadlines", "video=1.5")
    job = begin(rig)
    ended = rig.ended(job)

    assert (ended["status"], ended["error"]["code"]) == ("failed", "deadline_exceeded")
    deadline = time.monotonic() + 10
    while live(rig):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert rig.rows("SELECT engine_task FROM tasks")[0][0] is not None
    assert rig.unsettled() is None


def test_the_slot_is_held_until_an_engine_that_cannot_stop_has_really_ended(rig):
    rig.start_sandbox("--delay", "5", "--without", "cancel")
    rig.connect(video_slots=1)
    rig.start_server("--deadlines", "video=1", "--poll-interval", "0.3")
    late = begin(rig)
    assert rig.ended(late)["error"]["code"] == "deadline_exceeded"
    assert live(rig)
    waiting = begin(rig, prompt="another pier")
    time.sleep(1)

    assert rig.creates() == 1
    rig.run("job", "cancel", waiting)
    deadline = time.monotonic() + 15
    while live(rig):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_time_that_passes_while_no_server_runs_counts(rig):
    rig.start_sandbox("--delay", "600")
    rig.connect()
    rig.start_server("--deadlines", "video=3")
    job = begin(rig)
    begun(rig)
    rig.server.kill()
    time.sleep(3)
    rig.start_server("--deadlines", "video=3")
    began = time.monotonic()
    ended = rig.ended(job)

    assert ended["error"]["code"] == "deadline_exceeded"
    assert time.monotonic() - began < 8
    assert rig.creates() == 1


def test_what_an_engine_made_while_no_server_ran_is_fetched_though_its_deadline_has_passed(rig):
    rig.start_sandbox("--delay", "1")
    rig.connect()
    rig.start_server("--deadlines", "video=8")
    job = begin(rig)
    begun(rig)
    rig.server.kill()
    time.sleep(8)
    rig.start_server("--deadlines", "video=8")

    assert rig.ended(job)["status"] == "completed"
    assert rig.creates() == 1


def test_a_job_in_a_state_that_nobody_knows_still_ends_by_its_deadline(rig):
    rig.start_sandbox("--delay", "0.2")
    rig.connect("--set", "dialect=sandbox")
    rig.misbehave(method="GET", path="/v1/videos/*", change={"status": "hibernating"}, times=1000)
    rig.start_server("--deadlines", "video=2", "--poll-interval", "0.3")

    assert rig.ended(begin(rig))["error"]["code"] == "deadline_exceeded"
    assert rig.log.count("hibernating") == 1


def test_an_image_that_is_waited_for_ends_by_its_deadline(rig):
    rig.start_sandbox("--delay", "60")
    rig.connect()
    rig.start_server("--deadlines", "image=1")
    reply = rig.http.post("/v1/images/generations", json={"model": "gpt-image", "prompt": "a pier", "size": "64x64"})

    assert reply.json()["error"]["code"] == "deadline_exceeded", reply.text


def test_waiting_for_an_account_does_not_count(rig):
    rig.start_sandbox("--delay", "2")
    rig.connect(video_slots=1)
    rig.start_server("--deadlines", "video=4")
    jobs = [begin(rig, prompt=f"pier {number}") for number in range(3)]

    assert [rig.ended(job)["status"] for job in jobs] == ["completed"] * 3


@pytest.mark.parametrize("given", ["image", "image=", "image=soon", "image=-3", "image=0", "=300", "image=inf"])
def test_deadlines_that_mean_nothing_are_named_at_the_start(tmp_path, given):
    with pytest.raises(InvalidValue, match=r"The setting deadlines \(command line\) is wrong: .* as in `image=300`"):
        load(tmp_path, command_line={"deadlines": given}, environment={})


def test_several_deadlines_are_given_by_commas(tmp_path):
    loaded = load(tmp_path, command_line={"deadlines": "image=300, video=1200.5"}, environment={})

    assert loaded.settings.deadlines == ("image=300", "video=1200.5")
