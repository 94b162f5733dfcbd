"""Every scenario has its tests, and its row in the page that tells of them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ROWS = re.findall(
    r"^\| R([0-9]+) \|.*\| ([^|]+) \|$", (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8"), re.MULTILINE
)
NUMBERS = range(1, 28)


def test_the_page_has_a_row_for_each_scenario():
    assert [int(number) for number, _ in ROWS] == list(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_scenario_is_held_where_its_row_says(number):
    promise = re.compile(rf"^def test_r{number:02}_", re.MULTILINE)
    held = {path.name for path in Path(__file__).parent.glob("test_*.py") if promise.search(path.read_text("utf-8"))}

    assert held == set(re.findall(r"`(\w+\.py)`", dict(ROWS)[str(number)]))
