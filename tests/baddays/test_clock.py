"""Days on which the wall clock jumps by an hour: rests and leases last as long as ever, nothing is done twice."""

import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from baddays.settling import BadDay, until
from rig import Rig

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
SUBMIT = {"method": "POST", "path": "/v1/videos"}
HOUR = 3600

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime (Debian's package faketime) is not installed"),
    pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "back"]),
]


class Clock:
    """The server's wall clock, which the engine's does not follow; durations stay true."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # it looks into the file once a second
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # it would make every wait of a thread return at once
        }
        self.set(0)

    def set(self, offset: int) -> None:
        """Show a time that is *offset* seconds from the true one, from now on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset:+d}")
        fresh.replace(self._file)

    def move(self, rig: Rig, offset: int) -> None:
        """Set it while the server runs, and wait until that has noticed."""
        self.set(offset)

        def noticed() -> bool:
            date = parsedate_to_datetime(rig.get("/healthz").headers["Date"])
            return abs(date.timestamp() - time.time() - offset) < 60

        until(noticed)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


UNHURRIED = ("--poll-interval", "0.5", "--deadlines", "video=86400")
"""A job's time goes on while the server is not there, and it cannot tell an hour of that from a clock that was set."""


def start(rig: Rig, clock: Clock, *options: str) -> BadDay:
    rig.start_sandbox("--delay", "2")
    rig.connect("--set", "dialect=sandbox", *options)
    rig.start_server(*UNHURRIED, environment=clock.environment)
    return BadDay(rig)


def test_jobs_in_flight_do_not_notice_the_clock(rig, clock, jump):
    day = start(rig, clock)
    jobs = [day.begin() for _ in range(12)]
    day.shown(jobs[0], lambda video: video["status"] == "in_progress")
    clock.move(rig, jump)
    began = time.monotonic()
    for job in jobs:
        day.completed(job)

    assert time.monotonic() - began < 30
    assert abs(rig.get(f"/v1/videos/{jobs[-1]}").json()["completed_at"] - time.time() - jump) < 60
    day.settled(creates=12)


def test_a_rest_lasts_as_long_as_the_engine_asked_for(rig, clock, jump):
    day = start(rig, clock)
    rig.misbehave(**SUBMIT, status=429, headers={"Retry-After": "8"})
    began = time.monotonic()
    job = day.begin()
    day.shown(job, lambda video: video.get("waiting_for"))
    clock.set(jump)
    day.completed(job)

    assert 8 <= time.monotonic() - began < 25
    day.settled(creates=1, says=("account set aside .*code=engine_rate_limited",))


def test_a_lost_answer_is_found_though_the_clocks_are_an_hour_apart(rig, clock, jump):
    day = start(rig, clock)
    clock.move(rig, jump)
    rig.misbehave(**SUBMIT, close="after", times=2)
    for job in [day.begin() for _ in range(2)]:
        day.completed(job)
    day.settled(creates=2, says=("answer looked for .*engine_task=video_",))


def test_a_lost_answer_is_found_though_the_clock_jumps_meanwhile(rig, clock, jump):
    day = start(rig, clock, "--set", "answer_timeout=2")
    rig.misbehave(**SUBMIT, pause=4)
    job = day.begin()
    time.sleep(1)
    clock.set(jump)
    day.completed(job)
    day.settled(creates=1, says=("answer looked for .*engine_task=video_",))


def test_a_restart_at_another_hour_goes_on_with_all_jobs(rig, clock, jump):
    day = start(rig, clock)
    jobs = [day.begin() for _ in range(12)]
    day.shown(jobs[0], lambda video: video["status"] == "in_progress")
    rig.server.kill()
    clock.set(jump)
    rig.start_server(*UNHURRIED, environment=clock.environment)
    for job in jobs:
        day.completed(job)
    day.settled(creates=12)
