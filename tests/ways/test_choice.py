"""Which way a step goes, on which accounts, and when it may still change."""

import io
import time

import pytest
from PIL import Image
from ways.films import clip_of, distance, photo
from ways.rigs import WITHOUT, Rig, becomes

pytestmark = pytest.mark.slow

STORYBOARD = "[0.5s]a red kite [0.5s]rain on a roof [0.5s]a calm lake"
FACE = photo((320, 180), ("#101060", "#e0c020", "#20b0a0"))
BUSY = {"method": "POST", "path": "/v1/videos", "delay": 3}


@pytest.fixture(scope="module")
def rig(new_rig) -> Rig:
    """An account whose engine offers everything, and one for text and image to video alone."""
    rig = new_rig()
    rig.sandbox("able")
    rig.sandbox("plain", *WITHOUT)
    rig.account("able", "--video-slots", "1")
    rig.account("plain", "--video-slots", "4")
    rig.serve("--native-wait", "1")
    return rig


@pytest.fixture(scope="module")
def source(rig):
    """A video made by the account `able`, since the other makes no storyboards by itself."""
    return rig.make(STORYBOARD)


@pytest.fixture
def only_able(rig):
    yield from switched_off(rig, "plain")


@pytest.fixture(scope="class")
def only_plain(rig):
    yield from switched_off(rig, "able")


def switched_off(rig, account: str):
    rig.switch(account, on=False)
    yield
    rig.switch(account, on=True)


def remix(rig, source, prompt: str = "at night"):
    return rig.ended(rig.begin(f"{source.job['share_id']} {prompt}", seconds=1.5))


def test_a_native_way_goes_to_the_account_that_has_it(rig):
    before = rig.creates("able"), rig.creates("plain")

    made = rig.make(STORYBOARD)

    assert made.ways == ["native"]
    assert (rig.creates("able"), rig.creates("plain")) == (before[0] + 1, before[1])


def test_a_remix_whose_account_stays_busy_is_composed_elsewhere(rig, source):
    rig.faults("able", BUSY)
    busy = rig.begin(STORYBOARD)
    before = rig.creates("plain")

    made = remix(rig, source)

    assert made.ways == ["native", "composed"]
    assert made.job["status"] == "completed"
    assert rig.creates("plain") == before + 1
    assert rig.ended(busy).ways == ["native"]


def test_what_nobody_else_could_compose_waits_for_its_turn(rig, source, only_able):
    rig.faults("able", BUSY)
    busy = rig.begin(STORYBOARD)
    before = rig.creates()

    made = remix(rig, source)

    assert made.ways == ["native"]
    assert rig.ended(busy).job["status"] == "completed"
    assert rig.creates() == before + 2


@pytest.fixture(scope="module")
def anna(rig) -> str:
    """A character that the account `able` knows."""
    assert rig.ask("", ("video", clip_of(FACE)), name="anna.k").is_success
    assert rig.make("@anna.k waves").ways == ["native"]
    return "@anna.k"


@pytest.mark.usefixtures("source", "anna", "only_plain")
class TestWithoutTheAccountThatMadeIt:
    def test_a_remix_is_composed(self, rig, source):
        made = remix(rig, source)

        assert made.ways == ["composed"]
        assert distance(made.film.frames[0], source.film.at(0.75)) < 0.03

    def test_a_character_is_shown_by_its_pictures(self, rig, anna):
        made = rig.make(f"{anna} waves")

        assert made.ways == ["composed"]
        assert distance(made.film.frames[0], Image.open(io.BytesIO(FACE)).convert("RGB")) < 0.03


def test_what_an_engine_does_not_take_is_composed(rig, source):
    rig.faults("able", {"method": "POST", "path": "/v1/videos/*", "status": 400, "body": {"error": {"message": "No."}}})

    made = remix(rig, source)

    assert made.ways == ["native", "composed"]
    assert made.job["status"] == "completed"


def test_what_an_engine_refuses_at_once_is_not_tried_another_way(rig, source):
    refusal = {"error": {"message": "No.", "code": "moderation_blocked"}}
    rig.faults("able", {"method": "POST", "path": "/v1/videos/*", "status": 400, "body": refusal})
    before = rig.creates()

    ended = remix(rig, source)

    assert ended.ways == ["native"]
    assert ended.job["error"]["code"] == "moderation_blocked"
    assert rig.creates() == before


def test_what_an_engine_took_and_lost_is_not_made_another_way(rig, source):
    rig.faults("able", {"method": "GET", "path": "/v1/videos/*", "status": 404, "times": 3})
    before = rig.creates()

    ended = remix(rig, source)
    rig.faults("able")

    assert ended.ways == ["native"]
    assert ended.job["error"]["code"] == "task_lost"
    assert rig.creates() == before + 1


def test_what_an_engine_took_and_refused_is_not_tried_another_way(rig, source):
    before = rig.creates()

    ended = remix(rig, source, "[refuse]")

    assert ended.ways == ["native"]
    assert ended.job["error"]["code"] == "moderation_blocked"
    assert rig.creates() == before + 1


def test_no_file_on_its_way_outlives_its_job(rig, source):
    assert becomes(lambda: list((rig.data / "scratch").iterdir()) == [])


def test_all_shots_are_made_on_one_model(new_rig):
    rig = new_rig()
    for name in ("one", "two"):
        rig.sandbox(name, "--without", "shots")
        rig.account(name, "--video-slots", "1", driver="renamed")
    rig.serve()

    jobs = [rig.begin(f"story {number}. {STORYBOARD}") for number in range(3)]

    assert {rig.ended(job).job["status"] for job in jobs} == {"completed"}
    models = [rig.rows("SELECT DISTINCT model FROM tasks WHERE job_id = ?", job) for job in jobs]
    assert [len(names) for names in models] == [1, 1, 1]
    assert {name for names in models for (name,) in names} == {"one sandbox-video", "two sandbox-video"}


def test_shots_whose_model_is_gone_fail_clearly_after_a_while(new_rig):
    rig = new_rig()
    for name in ("one", "two"):
        rig.sandbox(name, "--without", "shots")
    rig.account("one", driver="renamed")
    rig.faults("one", {"method": "POST", "path": "/v1/videos", "delay": 12})
    rig.serve("--native-wait", "1")
    job = rig.begin(STORYBOARD)
    rig.account("two", driver="renamed")
    rig.switch("one", on=False)  # before it has answered

    ended = rig.ended(job)

    assert ended.job["error"]["code"] == "account_unavailable"
    assert rig.creates() == 1


def test_lengths_that_an_engine_rounds_up_are_trimmed(new_rig):
    rig = new_rig()
    rig.sandbox("whole", *WITHOUT)
    rig.account("whole", "--set", "dialect=sglang")
    rig.serve()

    film = rig.make("[0.5s]a red kite [1.5s]rain on a roof [0.7s]a calm lake").film

    assert [task["seconds"] for task in rig.tasks("whole")] == ["1", "2", "1"]
    assert abs(film.seconds - 2.7) < 0.1
    second = rig.film_of("whole", rig.tasks("whole")[1])
    assert distance(film.at(0.5), second.frames[0]) < 0.03
    assert distance(film.at(0.5 - 1 / 12), second.frames[0]) < 0.03


@pytest.fixture(scope="module")
def forgetful(new_rig) -> Rig:
    """Keeps what it makes for two seconds."""
    rig = new_rig()
    rig.sandbox("plain", *WITHOUT)
    rig.account("plain", "--video-slots", "1")
    rig.serve("--output-lifetime", "2")
    return rig


def expired(rig, video) -> bool:
    return becomes(lambda: rig.get(f"/v1/videos/{video.job['id']}/content").status_code == 410)


def test_a_video_whose_file_has_expired_can_still_be_remixed(forgetful):
    source = forgetful.make("a fox in snow")
    assert expired(forgetful, source)

    made = forgetful.make(f"{source.job['share_id']} at night")

    assert made.ways == ["composed"]
    assert distance(made.film.frames[0], source.film.at(0.5)) < 0.03


def test_a_video_that_a_job_goes_on_from_stays_until_that_is_over(forgetful):
    source = forgetful.make("a fox in snow")
    forgetful.faults("plain", {"method": "POST", "path": "/v1/videos", "delay": 4})
    job = forgetful.extend(source, "a bear comes", seconds=1)
    forgetful.server.kill()
    assert becomes(lambda: time.time() > source.job["expires_at"] + 1)
    forgetful.serve("--output-lifetime", "60")

    made = forgetful.ended(job)

    assert made.job["status"] == "completed"
    assert abs(made.film.seconds - 2) < 0.1


def test_an_engine_that_begins_on_no_picture_is_asked_only_for_what_it_can(new_rig):
    rig = new_rig()
    rig.sandbox("words", "--without", "remix,edit,extend,characters,shots,cancel,first_frame")
    rig.account("words")
    rig.serve()

    refused = rig.ask(STORYBOARD)

    assert refused.json()["error"]["code"] == "unsupported_feature"
    assert rig.creates() == 0
    assert rig.make(STORYBOARD, transition="cut").film.leaps() == pytest.approx([0.5, 1.0], abs=0.05)
