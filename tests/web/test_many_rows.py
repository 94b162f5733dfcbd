"""The panel's pages out of many rows: they cost hardly more than out of few."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PANEL = Path(__file__).parents[2] / "bench" / "panel.py"
NOISE = 25.0
"""So many milliseconds more say nothing: the machine has other work too."""


def test_a_page_out_of_many_rows_is_as_quick_as_out_of_few():
    asked = ("--jobs", "20000", "--requests", "50000", "--accounts", "500")
    done = subprocess.run([sys.executable, PANEL, *asked], capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr[-5000:]
    told = json.loads(done.stdout)
    slow = {
        path: page for path, page in told["pages"].items() if page["many_ms"] > told["budget"] * page["few_ms"] + NOISE
    }
    assert not slow
