"""`kill -9` at random moments and at every point of the work, again and again, with twenty jobs in flight."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILL = Path(__file__).parents[2] / "bench" / "kill.py"
ROUNDS = 30


@pytest.mark.timeout(420)
def test_thirty_kills_lose_no_job_and_make_none_twice(tmp_path):
    command = [sys.executable, str(KILL), str(ROUNDS), "--folder", str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # it says its seed on stderr
    assert done.returncode == 0, done.stdout
    figures = json.loads(done.stdout)

    assert (figures["rounds"], sum(figures["killed"].values())) == (ROUNDS, ROUNDS)
    assert (figures["lost"], figures["duplicates"], figures["trouble"]) == (0, 0, None)
    assert figures["creates"] == figures["accepted"] > ROUNDS
    assert (figures["completed"], figures["failed"]) == (figures["jobs"], {})
