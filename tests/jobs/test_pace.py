"""How long jobs take, by those that are over."""

from sora2api.jobs.pace import Pace
from sora2api.jobs.records import JobRecord
from sora2api.modes import Plan, Request


def job(took: float, *, model: str = "sora-2", status: str = "completed") -> JobRecord:
    """A job that was over after so many seconds."""
    return JobRecord(
        id="video_1",
        kind="video",
        owner="default",
        mode="video",
        mode_version="1",
        model=model,
        prompt="a pier",
        size="1280x720",
        seconds=4,
        source=None,
        request=Request(model=model, makes="video", prompt="a pier", size="1280x720", owner="default"),
        plan=Plan(steps=()),
        status=status,
        progress=100,
        error=None,
        outputs=(),
        engine=None,
        share_id=None,
        created_at=1000.0,
        started_at=None,
        completed_at=1000.0 + took,
        expires_at=None,
    )


def test_nothing_is_known_before_a_job_was_completed():
    pace = Pace()
    pace.note(job(5, status="failed"))
    pace.note(job(5, status="cancelled"))

    assert pace.usual(job(0)) is None


def test_the_usual_time_is_the_median_of_jobs_of_the_same_model():
    pace = Pace()
    for took in (4, 900, 6):
        pace.note(job(took))
    pace.note(job(60, model="sora-2-pro"))

    assert (pace.usual(job(0)), pace.usual(job(0, model="sora-2-pro"))) == (6, 60)


def test_jobs_of_long_ago_no_longer_count():
    pace = Pace()
    for took in [100] * 20 + [10] * 20:
        pace.note(job(took))

    assert pace.usual(job(0)) == 10


def test_not_more_than_some_models_are_remembered():
    pace = Pace()
    for number in range(501):
        pace.note(job(4, model=f"model-{number}"))

    assert pace.usual(job(0, model="model-0")) is None
    assert pace.usual(job(0, model="model-500")) == 4
