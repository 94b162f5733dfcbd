"""How many jobs a key may have under way, and how much it may make in a day and a month."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from keyed import SMALL, KeyedRig
from openai import RateLimitError

from sora2api.auth.limits import Limits, Quota

pytestmark = pytest.mark.slow

REFUSAL = {"error": {"message": "No.", "type": "invalid_request_error", "code": "moderation_blocked", "param": None}}
REFUSED = {"method": "POST", "path": "/v1/videos", "status": 400, "body": REFUSAL}


def codes(replies) -> Counter[str]:
    return Counter(reply.json()["error"]["code"] if reply.is_error else "" for reply in replies)


def left(rig: KeyedRig, name: str, amount: str = "jobs") -> str:
    with rig.client(name) as client:
        return client.get("/v1/models").headers[f"x-ratelimit-remaining-{amount}"]


def book(rig: KeyedRig, key_id: str, day: str, *, jobs: int, code: str = "", cost: int = 0) -> None:
    """Put a row of usage into the database."""
    rig.change("insert into usage values (?, ?, '', 'sora-video', ?, ?, 0, 0, 0, ?)", key_id, day, code, jobs, cost)


def until_midnight() -> float:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return tomorrow.timestamp() - time.time()


@pytest.fixture
def slow(tmp_path):
    """A rig whose videos are never ready within a test."""
    rig = KeyedRig(tmp_path)
    rig.start_sandbox("--delay", "600")
    rig.connect()
    yield rig
    rig.close()


def test_no_more_jobs_are_under_way_than_allowed_however_many_are_asked_for_at_once(slow, refused):
    slow.make_keys(three=Limits(jobs_in_flight=3))
    slow.start_server()

    replies = slow.at_once("three", 64)

    assert codes(replies) == {"": 3, "too_many_jobs": 61}
    late = next(reply for reply in replies if reply.is_error)
    assert (late.headers["x-should-retry"], int(late.headers["retry-after"]) > 0) == ("true", True)

    slow.server.kill()
    slow.start_server()
    refused(slow.post("three"), 429, "too_many_jobs")

    begun = next(reply for reply in replies if not reply.is_error).json()["id"]
    with slow.client("three") as client:
        client.post(f"/v1/videos/{begun}/cancel")
    assert slow.post("three").status_code == 200
    refused(slow.post("three"), 429, "too_many_jobs")
    assert slow.run("key", "show", "three")["jobs_in_flight"] == 3


def test_what_is_under_way_counts_as_if_it_were_made(slow):
    slow.make_keys(
        jobs=Limits(day=Quota(jobs=5)), seconds=Limits(month=Quota(seconds=4)), money=Limits(day=Quota(money=300_000))
    )
    slow.price("sora-video", per_second=100_000)
    slow.start_server()

    assert codes(slow.at_once("jobs", 32)) == {"": 5, "insufficient_quota": 27}
    assert codes(slow.at_once("seconds", 8, seconds=1.5)) == {"": 2, "insufficient_quota": 6}
    assert slow.post("seconds").status_code == 200
    assert codes(slow.at_once("money", 8)) == {"": 3, "insufficient_quota": 5}

    slow.server.kill()
    slow.price("sora-video")
    slow.start_server()
    assert codes(slow.at_once("jobs", 4)) == {"insufficient_quota": 4}
    assert (left(slow, "jobs"), left(slow, "seconds", "seconds")) == ("0", "0")
    # What was taken at a price keeps it; what is free now is not refused.
    assert slow.post("money").status_code == 200


@pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")
def test_a_quota_that_is_used_up_says_when_it_begins_anew(rig):
    rig.make_keys(one=Limits(day=Quota(jobs=1)))
    rig.start_server()
    rig.made("one")

    with rig.openai("one") as client, pytest.raises(RateLimitError) as refused:
        client.videos.create(model="sora-2", prompt="a lantern")

    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert float(refused.value.response.headers["retry-after"]) == pytest.approx(until_midnight(), abs=30)


def test_what_fails_or_is_cancelled_or_sent_again_costs_nothing(rig):
    keys = rig.make_keys(two=Limits(day=Quota(jobs=2)))
    rig.start_server()

    rig.misbehave(**REFUSED)
    assert rig.made("two")["status"] == "failed"
    assert left(rig, "two") == "2"

    rig.misbehave(method="POST", path="/v1/videos", delay=5)
    with rig.client("two") as client:
        begun = client.post("/v1/videos", json=SMALL).json()["id"]
        assert left(rig, "two") == "1"
        client.post(f"/v1/videos/{begun}/cancel")
        assert left(rig, "two") == "2"

    with rig.client("two") as client:
        same = {"Idempotency-Key": "same", "Prefer": "wait=60"}
        made = [client.post("/v1/videos", json=SMALL, headers=same).json()["id"] for _ in range(4)]
    assert len(set(made)) == 1
    assert left(rig, "two") == "1"
    counted = rig.rows(f"select code, jobs, seconds, cost from usage where key_id = '{keys['two'].id}' order by code")
    assert counted == [("", 1, 1.0, 0), ("cancelled", 1, 0.0, 0), ("moderation_blocked", 1, 0.0, 0)]


def test_days_and_months_begin_anew(rig, refused):
    limits = Limits(day=Quota(jobs=3), month=Quota(jobs=50))
    names = ("today", "yesterday", "month", "last_month", "failed")
    keys = rig.make_keys(**dict.fromkeys(names, limits), spent=Limits(month=Quota(money=1)))
    now = datetime.now(UTC)
    today, first = now.strftime("%Y-%m-%d"), now.strftime("%Y-%m-01")
    yesterday = (now - timedelta(days=1)).strftime("%Y-%m-%d")
    last_month = (now.replace(day=1) - timedelta(days=1)).strftime("%Y-%m-%d")
    book(rig, keys["today"].id, today, jobs=3)
    book(rig, keys["yesterday"].id, yesterday, jobs=3)
    book(rig, keys["month"].id, first, jobs=50)
    book(rig, keys["last_month"].id, last_month, jobs=50)
    book(rig, keys["failed"].id, today, jobs=99, code="engine_fault")
    book(rig, keys["spent"].id, first, jobs=1, cost=1)
    rig.price("sora-video", per_second=1)
    rig.start_server()

    refused(rig.post("today"), 429, "insufficient_quota")
    late = rig.post("month")
    refused(late, 429, "insufficient_quota")
    month_ends = (now.replace(day=28) + timedelta(days=4)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert float(late.headers["retry-after"]) == pytest.approx(month_ends.timestamp() - time.time(), abs=30)
    refused(rig.post("spent"), 429, "insufficient_quota")
    for name in ("yesterday", "last_month", "failed"):
        assert rig.post(name).status_code == 200


@pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")
def test_the_sdk_waits_for_a_job_to_be_over_as_it_is_told(rig):
    rig.make_keys(one=Limits(jobs_in_flight=1))
    rig.start_server()
    rig.misbehave(method="POST", path="/v1/videos", delay=3)
    assert rig.post("one").status_code == 200

    with rig.openai("one").with_options(max_retries=2) as client:
        video = client.videos.create(model="sora-2", prompt="a lantern")

    assert video.status == "queued"
