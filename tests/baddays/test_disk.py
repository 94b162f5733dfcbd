"""Days on which the disk is full: what cannot be kept fails, and all goes on once there is room."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from baddays.settling import BadDay, until
from rig import Rig

MEBIBYTE = 1024 * 1024
SIZE = 24 * MEBIBYTE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk"),
]


@pytest.fixture
def small_disk(rig: Rig) -> Iterator[Rig]:
    """A rig whose data lie on a disk of their own."""
    rig.data.mkdir()
    options = f"size={SIZE},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", rig.data]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield rig
    rig.close()
    subprocess.run(["umount", "--lazy", rig.data], check=True)


def fill(disk: Path, *, leaving: int) -> Path:
    """A file that takes all room but so many bytes."""
    filler = disk / "filler"
    room = os.statvfs(disk)
    with suppress(OSError), filler.open("wb", buffering=0) as file:  # the server too may be taking what is left
        file.write(bytes(max(0, room.f_bavail * room.f_frsize - leaving)))
    return filler


def start(rig: Rig, *options: str) -> BadDay:
    rig.start_sandbox("--delay", "2")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.5", *options)
    return BadDay(rig)


def test_a_nearly_full_disk_takes_no_new_jobs_before_anything_is_paid(small_disk):
    day = start(small_disk, "--disk-reserve", str(4 * MEBIBYTE))
    filler = fill(small_disk.data, leaving=2 * MEBIBYTE)
    refused = small_disk.http.post("/v1/videos", json={"model": "sora-video", "prompt": "no room"})
    ready = small_disk.get("/readyz")

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "disk_full")
    assert (ready.status_code, ready.json()["reasons"]) == (503, ["The disk is nearly full."])
    assert day.creates == 0

    filler.unlink()
    day.settled(creates=0)


@pytest.mark.parametrize("leaving", [640 * 1024, 0], ids=["for-some", "for-none"])
def test_a_disk_that_fills_up_while_videos_are_made_fails_what_it_cannot_keep(small_disk, leaving):
    day = start(small_disk, "--disk-reserve", "0")
    jobs = [day.begin(size="1280x720", seconds=4) for _ in range(3)]
    for job in jobs:
        day.shown(job, lambda video: video["status"] == "in_progress")
    filler = fill(small_disk.data, leaving=leaving)
    until(lambda: re.search("job broke off|code=disk_full", small_disk.log), within=60)
    filler.unlink()

    ends = [small_disk.ended(job) for job in jobs]
    codes = {video["error"]["code"] for video in ends if video["status"] == "failed"}
    assert codes <= {"disk_full", "job_failed"}
    assert any(video["status"] == "failed" for video in ends)
    day.settled(creates=3, says=("job ended .*code=(disk_full|job_failed)",), tracebacks=True)
