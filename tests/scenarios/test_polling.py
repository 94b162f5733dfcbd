"""What is made of an engine's answers: R4, R5, R6 and R25."""

import time

import httpx2
import pytest
from rig import KEY
from scenarios.asking import IMAGE, POLL, SMALL, SUBMIT

FAILED = {"status": "failed", "error": {"code": "internal_error", "message": "the renderer ran out of memory"}}
AT_ONCE = 10.0
"""Seconds; the predecessor took the whole of its 300 s or 3,000 s."""


def test_r04_an_image_that_the_engine_fails_is_an_error_at_once(roomy):
    refusal = {"error": {"message": "the renderer ran out of memory", "type": "invalid_request_error", "code": None}}
    roomy.rig.misbehave(**IMAGE, status=400, body=refusal)
    began = time.monotonic()

    reply = roomy.chat("an image that fails", model="sora-image", size=None, seconds=None)

    assert time.monotonic() - began < AT_ONCE
    assert "ran out of memory" in roomy.refused(reply, 400, "rejected_by_engine")
    assert roomy.account()["state"] == "ready"


def test_r05_a_video_that_shows_as_failed_is_an_error_at_once(roomy):
    roomy.rig.misbehave(**POLL, change=FAILED)
    began = time.monotonic()

    reply = roomy.chat("a video that fails")

    assert time.monotonic() - began < AT_ONCE
    assert "ran out of memory" in roomy.refused(reply, 502, "engine_fault")
    job = roomy.rig.get(f"/v1/videos/{reply.json()['sora2api']['job']}").json()
    assert (job["status"], job["error"]["code"]) == ("failed", "engine_fault")


@pytest.mark.parametrize("progress", [None, "soon", -4, {}], ids=repr)
def test_r06_progress_that_is_null_counts_as_nothing(roomy, progress):
    roomy.rig.misbehave(**SUBMIT, change={"progress": progress})
    roomy.rig.misbehave(**POLL, change={"status": "in_progress", "progress": progress}, times=3)
    job = roomy.day.begin()
    begun = roomy.day.shown(job, lambda video: video["status"] == "in_progress")

    assert begun["progress"] == 0
    told = [event["percent"] for event in roomy.day.completed(job) if event["type"] == "progress"]
    assert told == sorted(told)
    assert set(told) <= set(range(101))


def test_r25_tasks_are_found_below_more_than_a_hundred_newer_ones(rig, asking):
    """The newer ones are ordered from the sandbox by somebody else, with the same credential."""
    rig.start_sandbox("--delay", "0.4")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.3")
    asker = asking(rig)
    asker.hold()
    jobs = [asker.day.begin() for _ in range(3)]
    ours = {asker.submitted(job) for job in jobs}
    with httpx2.Client(base_url=rig.sandbox.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as elsewhere:
        for number in range(120):
            order = SMALL | {"prompt": f"another's [refuse] {number}", "seconds": "1"}
            elsewhere.post("/v1/videos", json=order).raise_for_status()
        newest = elsewhere.get("/v1/videos", params={"limit": "100"}).json()
    assert newest["has_more"]
    assert ours.isdisjoint(video["id"] for video in newest["data"])

    asker.go()
    for job in jobs:
        asker.day.completed(job)
