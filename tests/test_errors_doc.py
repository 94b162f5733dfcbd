"""docs/errors.md tells of every error that a client can meet, and what to do."""

import runpy
from collections.abc import Iterator
from pathlib import Path

from sora2api import errors
from sora2api.errors import Sora2ApiError

DOCS = Path(__file__).parent.parent / "docs"
MADE = runpy.run_path(str(DOCS / "make_errors.py"))


def tree(root: type[Sora2ApiError] = Sora2ApiError) -> Iterator[type[Sora2ApiError]]:
    yield root
    for error in root.__subclasses__():
        if error.__module__ == errors.__name__:
            yield from tree(error)


def test_the_page_is_made_of_the_tree_of_errors():
    assert (DOCS / "errors.md").read_text(encoding="utf-8") == MADE["page"]()


def test_every_error_stands_in_it_with_its_code_and_status():
    page = MADE["page"]()

    assert [error.__name__ for error in tree() if f"| `{error.code}` | {error.status} |" not in page] == []


def test_there_is_advice_for_every_code_and_for_no_other():
    assert {error.code for error in tree()} == MADE["ADVICE"].keys()


def test_what_sdks_send_again_by_themselves_is_what_the_page_says():
    by_itself = {code for code, (again, _) in MADE["ADVICE"].items() if again == "by itself"}

    assert {error.code for error in tree() if error.retry} == by_itself
