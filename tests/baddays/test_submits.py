"""Days on which a task is hard to hand over: it is made once, whatever the engine answers, or does not."""

import time
from email.utils import formatdate

import pytest
from baddays.settling import types, until

pytestmark = pytest.mark.slow

SUBMIT = {"method": "POST", "path": "/v1/videos"}


def state(rig) -> str:
    return rig.run("account", "list")[0]["state"]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 401, "body": {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}},
        {"status": 403, "body": "<html><h1>Forbidden</h1></html>", "headers": {"Content-Type": "text/html"}},
    ],
    ids=["401", "html-403"],
)
def test_a_rejected_token_sets_the_account_aside_and_the_job_waits_for_it(day, answer):
    day.rig.misbehave(**SUBMIT, **answer)
    job = day.begin()
    waiting = day.shown(job, lambda video: video.get("waiting_for"))

    assert "box" in waiting["waiting_for"]
    assert state(day.rig) != "ready"

    day.rig.run("account", "enable", "box")
    assert "task_retried" in types(day.completed(job))
    day.settled(creates=1, says=("account set aside .*code=account_",))


@pytest.mark.parametrize(
    "form", ["seconds", *(pytest.param(form, marks=pytest.mark.slow) for form in ("date", "milliseconds"))]
)
def test_a_429_is_sat_out_for_as_long_as_it_says(day, form):
    rest = {
        "seconds": {"Retry-After": "2"},
        "date": {"Retry-After": formatdate(time.time() + 3, usegmt=True)},
        "milliseconds": {"retry-after-ms": "2000"},
    }[form]
    day.rig.misbehave(**SUBMIT, status=429, headers=rest, body={"error": {"message": "slow down"}})
    began = time.monotonic()
    events = day.completed(day.begin())

    assert time.monotonic() - began >= 1.5
    assert types(events).count("task_retried") == 1
    day.settled(creates=1, says=("account set aside .*code=engine_rate_limited",))


def test_a_429_without_a_time_is_sat_out_for_half_a_minute(day):
    day.rig.misbehave(**SUBMIT, status=429, body={"error": {"message": "slow down"}})
    job = day.begin()
    waiting = day.shown(job, lambda video: video.get("waiting_for"))
    (account,) = day.rig.run("account", "list")

    assert 20 < account["rests_until"] - time.time() <= 30
    assert "No tasks go to box for" in waiting["waiting_for"]

    day.rig.run("account", "enable", "box")
    day.completed(job)
    day.settled(creates=1, says=("account set aside .*code=engine_rate_limited",))


def test_a_500_is_tried_again_since_it_says_that_nothing_was_taken(day):
    day.rig.misbehave(**SUBMIT, status=500, body={"error": {"message": "CUDA out of memory"}}, times=2)
    events = day.completed(day.begin())

    assert types(events).count("task_retried") == 2
    assert types(events).count("task_submitted") == 1
    day.settled(creates=1, says=("task tried again .*code=engine_fault",))


def test_a_503_lets_the_account_rest_and_is_tried_again(day):
    day.rig.misbehave(**SUBMIT, status=503, headers={"Retry-After": "1"}, body="<html>busy</html>")
    day.completed(day.begin())
    day.settled(creates=1, says=("account set aside .*code=engine_busy",))


@pytest.mark.parametrize("slowness", [{"delay": 1.2}, {"pause": 1.2}], ids=["headers", "body"])
def test_a_slow_answer_is_waited_for(day, slowness):
    day.rig.misbehave(**SUBMIT, **slowness)
    events = day.completed(day.begin())

    assert "task_retried" not in types(events)
    day.settled(creates=1)


@pytest.mark.parametrize("slowness", [{"delay": 2.5}, {"pause": 2.5}], ids=["headers", "body"])
def test_a_task_whose_answer_takes_too_long_is_found_in_the_list(day, slowness):
    day.rig.misbehave(**SUBMIT, **slowness)
    day.completed(day.begin())
    day.settled(creates=1, says=("answer lost",))


@pytest.mark.parametrize(
    "reset", [{"close": "before"}, {"close": 20}, {"close": "after"}], ids=["before", "during", "after"]
)
def test_a_submit_whose_connection_is_reset_is_taken_once(day, reset):
    day.rig.misbehave(**SUBMIT, **reset)
    events = day.completed(day.begin())
    found = "not taken" if reset["close"] == "before" else "video_"

    assert ("task_retried" in types(events)) == (found == "not taken")
    day.settled(creates=1, says=("answer lost", f"answer looked for .*engine_task={found}"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"status": 502, "body": "<html>Bad gateway</html>"}, marks=pytest.mark.slow),
        pytest.param({"status": 504, "body": "<html>Timeout</html>"}, marks=pytest.mark.slow),
        pytest.param({"garbage": True}, marks=pytest.mark.slow),
        {"status": 200, "body": "<html>Welcome</html>", "headers": {"Content-Type": "text/html"}},
    ],
    ids=["502", "504", "garbage", "html-200"],
)
def test_an_answer_that_leaves_it_open_is_looked_into(day, answer):
    day.rig.misbehave(**SUBMIT, **answer)
    day.completed(day.begin())
    day.settled(creates=1, says=("answer lost",))


def test_an_answer_of_the_wrong_content_type_is_read_all_the_same(day):
    day.rig.misbehave(**SUBMIT, headers={"Content-Type": "text/html"})
    day.completed(day.begin())
    day.settled(creates=1)


def test_three_submits_reset_at_once_are_found_each_as_its_own(day):
    day.rig.misbehave(**SUBMIT, close="after", times=3)
    for job in [day.begin() for _ in range(3)]:
        day.completed(job)
    day.settled(creates=3, says=("answer lost",))


def test_an_engine_that_fails_in_a_row_is_left_alone_for_a_while_and_comes_back_by_itself(day):
    day.rig.misbehave(**SUBMIT, status=500, times=4)
    job = day.begin()
    until(lambda: state(day.rig) != "ready")
    day.completed(job)
    day.settled(creates=1, says=("account set aside .*code=engine_fault",))
