"""The names that the pages promise exist: models of old, and settings."""

import re

from pages.shown import DOCS

from sora2api.catalog import BUILT_IN
from sora2api.settings import names

MODELS = {name for model in BUILT_IN for name in (model.name, *model.aliases)}


def _table(page: str, head: str) -> list[list[str]]:
    """The cells of the rows under the line that is *head*."""
    text = (DOCS / page).read_text("utf-8").partition(f"{head}\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[1:]]
    assert rows, head
    return rows


def test_the_models_that_are_the_same_are_served_by_that_name():
    rows = _table("from-predecessor.md", "| there | here |")
    kept = [name for there, here in rows if here.startswith("the same") for name in re.findall(r"`([\w.-]+)`", there)]

    assert len(kept) > 5
    assert set(kept) <= MODELS


def test_the_models_that_are_not_there_are_not():
    rows = _table("from-predecessor.md", "| there | here |")
    gone = {
        name for there, here in rows if not here.startswith("the same") for name in re.findall(r"`([\w-]+)`", there)
    }

    assert gone & MODELS == set()


def test_the_settings_that_took_over_exist():
    text = (DOCS / "from-predecessor.md").read_text("utf-8").partition("Where its settings went")[2]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")][1:]
    named = {name for _, here in rows for name in re.findall(r"`([a-z]+_[a-z_]+)`", here)}
    values = {"round_robin", "least_busy"}

    assert len(rows) > 10
    assert named - values <= set(names())


def test_the_settings_that_open_something_exist():
    rows = _table("security.md", "| setting | what it opens |")

    assert {name for setting, _ in rows for name in re.findall(r"`([a-z_]+)`", setting)} <= {*names(), "link"}


def test_the_settings_that_bound_the_disk_exist():
    rows = _table("operating.md", "| what | where | bounded by |")

    assert {name for *_, bound in rows for name in re.findall(r"`([a-z]+_[a-z]+)`", bound)} <= set(names())
