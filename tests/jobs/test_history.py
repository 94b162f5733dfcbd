"""What is written down of a job's way: who asked, and when each of its tasks came how far, by what account."""

from rig import Rig


def post(rig: Rig, prompt: str) -> tuple[str, str]:
    """The ids of a job and of the request that made it."""
    body = {"model": "sora-video", "prompt": prompt, "size": "160x96", "seconds": 1}
    reply = rig.http.post("/v1/videos", json=body).raise_for_status()
    return reply.json()["id"], reply.headers["x-request-id"]


def test_each_stage_of_a_task_has_its_time_and_a_wait_its_reason(rig):
    rig.start_sandbox("--delay", "2")
    rig.connect("--set", "dialect=sandbox", video_slots=1)
    rig.start_server("--poll-interval", "0.3")
    asked = [post(rig, f"pier {number}") for number in range(2)]
    for job, _ in asked:
        assert rig.ended(job)["status"] == "completed"

    assert sorted(rig.rows("SELECT id, request_id FROM jobs")) == sorted(asked)
    stages = "asked_at, intended_at, submitted_at, progressed_at, made_at, ended_at"
    first, second = rig.rows(f"SELECT {stages} FROM tasks ORDER BY intended_at")
    assert list(first) == sorted(first)
    assert list(second) == sorted(second)
    assert second[1] - second[0] > 1
    reasons = [reason for (reason,) in rig.rows("SELECT waited_for FROM tasks ORDER BY intended_at")]
    assert reasons[0] is None
    assert "slot" in reasons[1]
    assert rig.rows("SELECT DISTINCT proxy FROM tasks") == [(None,)]
