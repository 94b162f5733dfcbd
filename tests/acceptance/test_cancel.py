"""POST /v1/videos/{id}/cancel: a job ends at once, and its task at the engine."""

import time

import pytest


@pytest.mark.parametrize("model", ["sora-video", "sora-2"])
def test_a_job_ends_at_once(slow, model):
    job = slow.begin(model=model, size=None, seconds=None)
    began = time.monotonic()

    cancelled = slow.http.post(f"/v1/videos/{job}/cancel")

    assert time.monotonic() - began < 10  # it would be at work for ten minutes
    assert cancelled.status_code == 200
    video = cancelled.json()
    assert (video["id"], video["status"], video["error"]["code"]) == (job, "failed", "cancelled")
    assert slow.job(job)["status"] == "failed"
    *_, last = slow.events(job)
    assert (last["type"], last["status"]) == ("ended", "cancelled")


def test_a_second_cancel_and_one_of_a_finished_job_change_nothing(server, slow):
    job = slow.begin()
    first = slow.http.post(f"/v1/videos/{job}/cancel").json()
    done = server.stream("a bell").job

    assert slow.http.post(f"/v1/videos/{job}/cancel").json() == first
    assert server.http.post(f"/v1/videos/{done}/cancel").json()["status"] == "completed"


def test_its_task_ends_at_the_engine_and_its_slot_is_free(slow):
    job = slow.begin()
    while not slow.rows(f"select engine_task from tasks where job_id = '{job}' and engine_task is not null"):
        time.sleep(0.02)

    slow.http.post(f"/v1/videos/{job}/cancel")

    end = time.monotonic() + 10
    while slow.rows(f"select 1 from tasks where job_id = '{job}' and ended_at is null"):
        assert time.monotonic() < end
        time.sleep(0.05)
