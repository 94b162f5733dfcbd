"""Days on which engines are away or all accounts rest: jobs wait, and go on by themselves."""

import time

import pytest
from baddays.settling import BadDay, types, until
from rig import KEY

pytestmark = pytest.mark.slow

SUBMIT = {"method": "POST", "path": "/v1/videos"}
LATE = "sk-other"


def test_an_engine_that_is_killed_and_comes_back_finishes_what_it_had_and_takes_what_waited(rig):
    rig.start_sandbox("--delay", "2")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.5")
    day = BadDay(rig)
    before = [day.begin() for _ in range(4)]
    for job in before:
        day.shown(job, lambda video: video["status"] == "in_progress")
    rig.sandbox.kill()
    meanwhile = [day.begin() for _ in range(2)]
    until(lambda: "poll failed" in rig.log)
    rig.start_sandbox("--delay", "0.5")
    for job in (*before, *meanwhile):
        day.completed(job)
    assert rig.creates() == 6
    day.settled(says=("poll failed .*code=engine_unreachable",))


def test_when_all_accounts_rest_jobs_wait_for_the_first_that_is_back(rig):
    rig.start_sandbox("--delay", "0.5", "--key", KEY, "--key", LATE)
    rig.connect("--set", "dialect=sandbox")
    rig.connect("--set", "dialect=sandbox", name="late", token=LATE)
    rig.start_server("--poll-interval", "0.5")
    day = BadDay(rig)
    for seconds in (6, 60):
        rig.misbehave(**SUBMIT, status=429, headers={"Retry-After": str(seconds)})
    began = time.monotonic()
    first = day.begin()
    day.shown(first, lambda video: "No tasks go to box, late for" in video.get("waiting_for", ""))
    second = day.begin()
    waiting = day.shown(second, lambda video: video.get("waiting_for"))

    assert "engine_rate_limited" in waiting["waiting_for"]
    assert types(day.completed(first)).count("task_retried") == 2
    day.completed(second)
    assert 5 < time.monotonic() - began < 30
    day.settled(creates=2, says=("account set aside .*account=box", "account set aside .*account=late"))


def test_a_rejected_submit_goes_to_another_account_at_once(rig):
    rig.start_sandbox("--delay", "0.5", "--key", KEY, "--key", LATE)
    rig.connect("--set", "dialect=sandbox")
    rig.connect("--set", "dialect=sandbox", name="late", token=LATE)
    rig.start_server("--poll-interval", "0.5")
    day = BadDay(rig)
    rig.misbehave(**SUBMIT, status=401)
    events = day.completed(day.begin())
    (retried,) = [event for event in events if event["type"] == "task_retried"]
    (submitted,) = [event for event in events if event["type"] == "task_submitted"]

    assert {retried["account"], submitted["account"]} == {"box", "late"}
    day.settled(creates=1, says=("account set aside",))
