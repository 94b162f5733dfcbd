"""An account that is disabled or removed gets no new tasks; those that it has are followed to their end."""

import time
from collections.abc import Iterator

import httpx2
import pytest
from rig import Rig

pytestmark = pytest.mark.slow


@pytest.fixture
def rig(tmp_path) -> Iterator[Rig]:
    """A server with two accounts at a sandbox where nothing is ready before `go`; all work is begun on `first`."""
    rig = Rig(tmp_path)
    rig.start_sandbox("--delay", "0", "--key", "sk-first", "--key", "sk-second")
    rig.connect("--set", "dialect=sandbox", "--priority", "1", name="first", token="sk-first")
    rig.connect("--set", "dialect=sandbox", name="second", token="sk-second")
    rig.start_server("--poll-interval", "0.3")
    for path in ("/v1/videos", "/v1/videos/*"):
        rig.misbehave(method="GET", path=path, change={"status": "in_progress"}, times=1000)
    yield rig
    rig.close()


def go(rig):
    httpx2.delete(f"{rig.sandbox.url}/_sandbox/faults", timeout=30).raise_for_status()


def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def begun(rig, *names):
    """A job whose task an engine has by an account of one of these names."""
    job = rig.ask("a drained lake")
    until(lambda: worked_by(rig, job))
    assert worked_by(rig, job) in names
    return job


def worked_by(rig, job):
    both = "accounts JOIN tasks ON account_id = accounts.id"
    found = rig.rows(f"SELECT name FROM {both} WHERE engine_task IS NOT NULL AND job_id = '{job}'")
    return found[0][0] if found else None


@pytest.mark.parametrize("way", ["disable", "remove"])
def test_a_drained_account_ends_what_it_has_and_begins_nothing(rig, way):
    kept, cancelled = begun(rig, "first"), begun(rig, "first")
    rig.run("account", way, "first")
    until(lambda: "first" not in rig.get("/readyz").json()["engines"])

    after = begun(rig, "second")
    assert rig.http.post(f"/v1/videos/{cancelled}/cancel").status_code == 200
    go(rig)

    assert [rig.ended(job)["status"] for job in (kept, after)] == ["completed", "completed"]
    assert rig.get(f"/v1/videos/{kept}/content").content[4:8] == b"ftyp"
    assert rig.get(f"/v1/videos/{cancelled}").json()["error"]["code"] == "cancelled"
    until(lambda: not rig.rows("SELECT id FROM tasks WHERE ended_at IS NULL"))
    assert rig.unsettled() is None


def test_what_a_removed_account_has_is_followed_after_a_restart_too(rig):
    kept = begun(rig, "first")
    rig.run("account", "remove", "first")
    rig.server.kill()
    rig.start_server("--poll-interval", "0.3")
    go(rig)

    assert rig.ended(kept)["status"] == "completed"
    assert worked_by(rig, kept) == "first"
