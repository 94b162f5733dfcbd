"""A day on which another process holds the database: requests wait for it, and nothing is lost."""

import sqlite3
import time
from contextlib import closing
from threading import Thread

import pytest
from baddays.settling import BadDay, until

LOCKED = 10.0


@pytest.mark.slow
def test_a_database_locked_for_ten_seconds_makes_requests_wait_and_loses_nothing(rig):
    rig.start_sandbox("--delay", "1")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.5")
    day = BadDay(rig)
    jobs = [day.begin() for _ in range(4)]
    with closing(sqlite3.connect(rig.data / "sora2api.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        asking = Thread(target=lambda: jobs.append(day.begin()))
        asking.start()
        while time.monotonic() < began + LOCKED:
            assert rig.get("/healthz").status_code == 200
            assert rig.get(f"/v1/videos/{jobs[0]}").status_code == 200
            time.sleep(0.5)
        assert asking.is_alive()
        other.execute("COMMIT")
    asking.join(30)

    assert len(jobs) == 5
    for job in jobs:
        day.completed(job)
    day.settled(creates=5)


REFUSING = "CREATE TRIGGER refusing BEFORE UPDATE OF completed_at ON jobs BEGIN SELECT RAISE(ABORT, 'not now'); END"


def test_a_job_is_not_said_to_be_over_before_that_is_written(rig):
    rig.start_sandbox()
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.2")
    day = BadDay(rig)
    with closing(sqlite3.connect(rig.data / "sora2api.db", isolation_level=None, timeout=30)) as other:
        other.execute(REFUSING)
        job = day.begin()
        until(lambda: "the end could not be written" in rig.log)
        video = rig.get(f"/v1/videos/{job}").json()
        other.execute("DROP TRIGGER refusing")

    assert video["status"] == "in_progress"
    assert video["progress"] < 100
    day.completed(job)
