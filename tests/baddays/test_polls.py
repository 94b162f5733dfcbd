"""Days on which the engine tells wrong, or nothing, of how its tasks stand: that ends no job but one that is lost."""

import httpx2
import pytest
from baddays.settling import types, until
from rig import KEY

pytestmark = pytest.mark.slow

POLL = {"method": "GET", "path": "/v1/videos/*"}
LIST = {"method": "GET", "path": "/v1/videos"}


def engine_task(rig, job: str) -> str | None:
    """What the sandbox calls the job's latest task."""
    found = rig.rows(f"SELECT engine_task FROM tasks WHERE job_id = '{job}' ORDER BY intended_at DESC LIMIT 1")
    return found[0][0] if found else None


def vanish(day, job: str) -> None:
    """Have the engine forget the job's task."""
    day.shown(job, lambda _video: engine_task(day.rig, job))
    path = f"{day.rig.sandbox.url}/v1/videos/{engine_task(day.rig, job)}"
    httpx2.delete(path, headers={"Authorization": f"Bearer {KEY}"}, timeout=30).raise_for_status()


def test_a_poll_may_fail_in_every_way_before_it_succeeds(day):
    for fault in (
        {"status": 500, "body": {"error": {"message": "oops"}}},
        {"status": 502, "body": "<html>Bad gateway</html>", "headers": {"Content-Type": "text/html"}},
        {"status": 200, "body": {"error": {"message": "try again", "type": "server_error"}}},
        {"delay": 2.5},
        {"close": 20},
        {"close": "before"},
        {"garbage": True},
        {"status": 401, "body": {"error": {"message": "for a moment"}}},
    ):
        day.rig.misbehave(**POLL, **fault)
    events = day.completed(day.begin())

    assert "task_retried" not in types(events)
    day.settled(creates=1, says=("poll failed .*code=engine_fault", "poll failed .*code=network_fault"))


def test_an_error_without_a_video_is_not_the_end_of_a_task(day):
    day.rig.misbehave(**POLL, status=200, body={"error": {"message": "database is locked"}}, times=2)
    day.completed(day.begin())
    day.settled(creates=1)


def test_an_unknown_state_is_neither_success_nor_failure(day):
    day.rig.misbehave(**POLL, change={"status": "hibernating"}, times=3)
    day.completed(day.begin())
    day.settled(creates=1, says=("a status that is not known here: 'hibernating'",))


def test_progress_never_falls_though_the_engine_says_so(day):
    for progress in (80, 5, 60):
        day.rig.misbehave(**POLL, change={"status": "in_progress", "progress": progress})
    job = day.begin()
    told = [event["percent"] for event in day.completed(job) if event["type"] == "progress"]

    assert max(told) >= 80
    assert told == sorted(told)
    day.settled(creates=1)


@pytest.mark.parametrize(
    "strangeness", [{"change": {"progress": None}}, {"change": {"progress": "soon"}}], ids=["null", "text"]
)
def test_progress_that_is_no_number_harms_nothing(day, strangeness):
    day.rig.misbehave(**POLL, **strangeness, times=2)
    day.completed(day.begin())
    day.settled(creates=1)


def test_a_list_that_misses_a_task_once_does_not_lose_it(day):
    day.rig.misbehave(**LIST, omit=1, times=2)
    for job in [day.begin() for _ in range(3)]:
        day.completed(job)
    day.settled(creates=3)


@pytest.mark.parametrize("slowness", [{"delay": 1.0}, {"pause": 1.0}], ids=["headers", "body"])
def test_a_slow_poll_is_waited_for(day, slowness):
    day.rig.misbehave(**POLL, **slowness)
    day.completed(day.begin())
    day.settled(creates=1)


def test_polls_of_the_wrong_content_type_are_read_all_the_same(day):
    day.rig.misbehave(**POLL, headers={"Content-Type": "text/html"}, times=3)
    day.completed(day.begin())
    day.settled(creates=1)


def test_a_task_that_vanishes_fails_its_job_as_lost(day):
    day.rig.misbehave(**POLL, change={"status": "in_progress", "progress": 10}, times=3)
    job = day.begin()
    vanish(day, job)

    day.failed(job, "task_lost")
    day.settled(creates=1, says=("job ended .*code=task_lost",))


def test_a_task_that_vanishes_beside_others_takes_none_of_them_along(day):
    day.rig.misbehave(**LIST, change={"status": "in_progress"}, times=3)
    lost, *others = (day.begin() for _ in range(3))
    vanish(day, lost)

    day.failed(lost, "task_lost")
    for job in others:
        day.completed(job)
    day.settled(creates=3, says=("job ended .*code=task_lost",))


@pytest.mark.parametrize("way", ["disable", "remove"])
def test_an_account_that_goes_sees_its_tasks_to_their_end(rig, way, bad_day):
    rig.start_sandbox("--delay", "2.5", "--key", KEY, "--key", "sk-other")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.5")
    day = bad_day(rig)
    jobs = [day.begin() for _ in range(3)]
    for job in jobs:
        day.shown(job, lambda video: video["status"] == "in_progress")
    rig.run("account", way, "box")
    rig.connect("--set", "dialect=sandbox", name="other", token="sk-other")
    for job in jobs:
        day.completed(job)
    until(lambda: "sora-video" in {model["id"] for model in rig.get("/v1/models").json()["data"]})

    assert {name for (name,) in rig.rows("SELECT engine FROM jobs")} == {"box"}
    day.settled(creates=3)
    assert rig.rows("SELECT engine FROM jobs ORDER BY created_at DESC LIMIT 1") == [("other",)]


def test_a_lost_task_is_made_again_where_that_costs_nothing(rig, bad_day):
    rig.start_sandbox("--delay", "1")
    rig.connect("--set", "dialect=sandbox", "--remake-lost")
    rig.start_server("--poll-interval", "0.5")
    day = bad_day(rig)
    job = day.begin()
    vanish(day, job)
    (retried,) = [event for event in day.completed(job) if event["type"] == "task_retried"]

    assert (retried["account"], retried["code"]) == ("box", "task_lost")
    day.settled(creates=2, says=("task tried again .*code=task_lost",))


def test_a_task_in_a_state_that_nobody_knows_ends_with_its_job_s_deadline(rig, bad_day):
    rig.start_sandbox("--delay", "0.5")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.5", "--deadlines", "video=4")
    day = bad_day(rig)
    rig.misbehave(**POLL, change={"status": "hibernating"}, times=1000)

    day.failed(day.begin(), "deadline_exceeded")
    httpx2.delete(f"{rig.sandbox.url}/_sandbox/faults", timeout=30).raise_for_status()
    day.settled(creates=1, says=("not known here: 'hibernating'", "job ended .*code=deadline_exceeded"))
