"""The panel's pages out of many rows: they cost hardly more than out of few, and are no heavier than a page may be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PANEL = Path(__file__).parents[2] / "bench" / "panel.py"
NOISE = 15.0
"""So many milliseconds more say nothing: the machine has other work too."""
HEAVIEST = 40 * 1024


@pytest.fixture(scope="module")
def pages():
    asked = ("--jobs", "20000", "--requests", "50000", "--accounts", "500", "--rounds", "3")
    done = subprocess.run([sys.executable, PANEL, *asked], capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr[-5000:]
    told = json.loads(done.stdout)
    return told["pages"]


def test_a_page_out_of_many_rows_is_as_quick_as_out_of_few(pages):
    slow = {path: page for path, page in pages.items() if page["many_ms"] > 3 * page["few_ms"] + NOISE}

    assert not slow


def test_a_full_page_keeps_its_weight(pages):
    heavy = {path: page["bytes"] for path, page in pages.items() if "/api/" not in path and page["bytes"] >= HEAVIEST}

    assert not heavy
