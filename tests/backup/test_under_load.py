"""A backup that was taken of a busy server is restored to one that finishes every job, and has nothing made twice."""

import base64
import io
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread

import av
import httpx2
import pytest
from commands import until
from rig import Rig

pytestmark = pytest.mark.slow

VIDEO, STORYBOARD = "rain on a roof", "[1.0s]a cat jumps [1.0s]a cat lands"
SHOTS = ("a cat jumps", "a cat lands")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.start_sandbox("--delay", "0", "--without", "shots")
    rig.connect("--set", "dialect=sandbox", video_slots=100)
    rig.start_server("--poll-interval", "0.5")
    yield rig
    rig.close()


def hold(rig: Rig) -> None:
    """No video is told to be ready, until they are let go."""
    rig.misbehave(method="GET", path="/v1/videos*", change={"status": "in_progress", "progress": 50}, times=10**6)


def let_go(rig: Rig) -> None:
    httpx2.delete(f"{rig.sandbox.url}/_sandbox/faults", timeout=30).raise_for_status()


def submitted(rig: Rig, *jobs: str) -> bool:
    """Whether the engine has a task of each."""
    have = {row[0] for row in rig.rows("SELECT job_id FROM tasks WHERE submitted_at IS NOT NULL AND make != 'cast'")}
    return have.issuperset(jobs)


def move(rig: Rig, *options: str) -> None:
    """Back the running server up, kill it, and start another one on what the backup has."""
    file = rig.folder / "backup.tar"
    rig.run("backup", str(file), "--with-key", *options)
    rig.server.kill()
    rig.data = rig.folder / "restored"
    assert rig.run("restore", str(file))["key"] == "fits"


def asked_of_engine(rig: Rig) -> Counter[str]:
    """How often the engine has taken a video of each prompt."""
    with closing(sqlite3.connect(rig.folder / "engine" / "sandbox" / "sandbox.db")) as ledger:
        return Counter(
            json.loads(row[0])["prompt"] for row in ledger.execute("SELECT body FROM things WHERE kind = 'task'")
        )


def is_whole(rig: Rig, job: str) -> bool:
    """Whether the job is completed and its file can be decoded."""
    assert rig.ended(job)["status"] == "completed", rig.get(f"/v1/videos/{job}").json()
    with av.open(io.BytesIO(rig.get(f"/v1/videos/{job}/content").content)) as media:
        return next(media.decode(video=0)).width > 0


def test_what_was_at_the_engine_when_a_backup_was_taken_is_fetched_by_the_restored_server(rig):
    hold(rig)
    jobs = [rig.ask(VIDEO), rig.ask(STORYBOARD)]
    until(lambda: submitted(rig, *jobs))

    move(rig)
    rig.start_server("--poll-interval", "0.5")
    let_go(rig)

    assert all(is_whole(rig, job) for job in jobs)
    assert asked_of_engine(rig) == dict.fromkeys((VIDEO, *SHOTS), 1)
    assert rig.creates() == 3
    assert rig.unsettled() is None


class Crowd(Thread):
    """Asks for one video after another, until it is told to stop or nobody answers."""

    def __init__(self, rig: Rig, name: str) -> None:
        super().__init__(name=name)
        self._rig = rig
        self.asked = 0
        self.stop = Event()

    def run(self) -> None:
        while not self.stop.is_set():
            with suppress(httpx2.TransportError, StopIteration):
                self._rig.ask(f"{self.name} {self.asked}", model="sora-image" if self.asked % 4 == 3 else "sora-video")
                self.asked += 1


def in_flight(rig: Rig) -> list[str]:
    """Jobs of all five modes, at the engine and held there."""
    first = rig.ask("the first")
    assert is_whole(rig, first)
    (share,) = rig.rows("SELECT share_id FROM jobs")[0]
    clip = base64.b64encode(rig.get(f"/v1/videos/{first}/content").content).decode()
    hold(rig)
    rig.misbehave(method="POST", path="/v1/images/generations", delay=2)
    jobs = [rig.ask(f"video {number}") for number in range(4)]
    jobs += [rig.ask(f"[1.0s]shot {number} a [1.0s]shot {number} b") for number in range(2)]
    jobs += [rig.ask(f"{share} remix {number}") for number in range(2)]
    cast = [
        {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{clip}"}},
        {"type": "text", "text": "it walks"},
    ]
    jobs.append(rig.ask(cast))
    until(lambda: submitted(rig, *jobs))
    return [*jobs, rig.ask("a picture", model="sora-image")]


@pytest.mark.timeout(600)
def test_a_backup_taken_under_load_restores_to_a_server_that_finishes_every_job(rig):
    jobs = in_flight(rig)
    crowds = [Crowd(rig, f"crowd {number}") for number in range(2)]
    for crowd in crowds:
        crowd.start()
    until(lambda: all(crowd.asked > 2 for crowd in crowds))

    move(rig)
    for crowd in crowds:
        crowd.stop.set()
        crowd.join()
    taken = {json.loads(row[0])["prompt"] for row in rig.rows("SELECT parameters FROM tasks")}
    rig.start_server("--poll-interval", "0.5")
    let_go(rig)

    copied = rig.jobs()
    assert set(jobs) < set(copied)
    assert {row[0] for row in rig.rows("SELECT mode FROM jobs")} == {
        "image",
        "video",
        "character",
        "remix",
        "storyboard",
    }
    assert all(is_whole(rig, job) for job in copied)
    twice = {prompt for prompt, count in asked_of_engine(rig).items() if count > 1}
    assert not twice & taken
    assert not [prompt for prompt in twice if not prompt.startswith("crowd")]


def test_without_media_completed_jobs_stay_and_their_files_are_gone(rig):
    job = rig.ask(VIDEO)
    assert is_whole(rig, job)

    move(rig, "--no-media")
    rig.start_server()

    assert rig.get(f"/v1/videos/{job}").json()["status"] == "completed"
    gone = rig.get(f"/v1/videos/{job}/content")
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "expired")
