"""Characters that are made for one job end with it, however it ends."""

import pytest
from ways.films import clip_of, photo
from ways.rigs import Rig, becomes

pytestmark = pytest.mark.slow

FACE = clip_of(photo((320, 180), ("#101060", "#e0c020", "#20b0a0")))


@pytest.fixture(scope="module")
def rig(new_rig) -> Rig:
    rig = new_rig()
    rig.sandbox("box")
    rig.account("box", "--video-slots", "8")
    rig.serve()
    return rig


def nothing_is_left(rig: Rig, job: str) -> bool:
    return becomes(lambda: rig.left_of(job) == 0 and rig.knows("box") == 0)


def test_a_character_ends_with_a_job_that_fails(rig):
    ended = rig.ended(rig.begin("does [refuse]", ("video", FACE)))

    assert ended.job["status"] == "failed"
    assert nothing_is_left(rig, ended.job["id"])


def test_a_character_ends_with_a_job_that_is_cancelled(rig):
    rig.faults("box", {"method": "POST", "path": "/v1/videos", "delay": 3})
    job = rig.begin("dances", ("video", FACE))
    assert becomes(lambda: rig.knows("box") == 1)

    rig.cancel(job)

    assert rig.ended(job).job["error"]["code"] == "cancelled"
    assert nothing_is_left(rig, job)


def test_a_character_that_an_engine_is_making_ends_with_its_job(rig):
    rig.faults("box", {"method": "POST", "path": "/v1/videos/characters", "delay": 1})
    job = rig.begin("", ("video", FACE), name="just.now")
    assert becomes(lambda: rig.rows("SELECT id FROM tasks WHERE job_id = ?", job) != [])

    rig.cancel(job)

    assert becomes(lambda: rig.rows("SELECT id FROM tasks WHERE job_id = ? AND ended_at IS NULL", job) == [])
    assert nothing_is_left(rig, job)


def test_a_name_is_free_again_when_its_character_was_not_made(rig):
    rig.faults("box", {"method": "POST", "path": "/v1/videos/characters", "status": 400, "body": REFUSED})
    refused = rig.ask("", ("video", FACE), name="second.try")
    assert refused.json()["error"]["code"] == "moderation_blocked"

    assert becomes(lambda: rig.rows("SELECT id FROM characters WHERE name = 'second.try'") == [])
    assert rig.ask("", ("video", FACE), name="second.try").is_success


REFUSED = {"error": {"message": "No.", "type": "invalid_request_error", "code": "moderation_blocked", "param": None}}


@pytest.mark.parametrize("point", ["intent:1", "submit:1", "record:1", "step:1", "intent:2"])
def test_a_kill_leaves_one_character_until_the_job_ends_and_then_none(new_rig, point):
    rig = new_rig()
    rig.sandbox("box")
    rig.account("box")
    rig.serve(SORA2API_FAULT=point)
    job = rig.begin("dances", ("video", FACE))
    rig.server_dies()

    rig.serve()

    assert rig.ended(job).job["status"] == "completed"
    assert rig.creates() == 1
    nameless = 1 if point == "submit:1" else 0  # the engine's answer, which named it, was lost
    assert becomes(lambda: rig.left_of(job) == 0 and rig.knows("box") == nameless)
