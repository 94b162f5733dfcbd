"""The pages say what is so: their links and paths lead somewhere, and the table of imports is the one that is held."""

import re
from pathlib import Path

import pytest
from test_import_rules import OPEN, RULES

from sora2api.settings import names

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
UNSAID = {"__init__", "__main__", "egress", "errors", "supervision"}
"""Rows of the table of imports that need no words: they may import nothing, or what is open to all."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:sora2api|plugins|web|migrations|tests|bench|docs|deploy)/[\w./]*)`", text)

    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^([a-z][a-z-]*)$", contents, re.MULTILINE)

    assert sorted(listed) == sorted(page.stem for page in ROOT.glob("docs/*.md") if page.stem != "index")


def test_the_house_is_drawn_as_it_stands():
    house = ARCHITECTURE.partition("## The house\n\n```\n")[2].partition("```")[0]
    drawn = set(re.findall(r"^  ([\w.]+)/? ", house, re.MULTILINE))

    there = {
        path.name
        for path in (ROOT / "sora2api").iterdir()
        if (path.is_dir() or path.suffix == ".py") and not path.name.startswith("__")
    }
    assert drawn == there


def test_the_diagram_names_modules_that_are_there():
    diagram = ARCHITECTURE.partition("```text\nclient")[2].partition("```")[0]
    modules = re.findall(r"\b(?:jobs|accounts)/\w+", diagram)

    assert modules
    assert [module for module in modules if not (ROOT / "sora2api" / f"{module}.py").exists()] == []


def test_the_table_of_imports_is_the_one_that_is_held():
    rows = ARCHITECTURE.partition("| part | may import |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()
    told = {part: set(allowed) for part, *allowed in (re.findall(r"`([^`]+)`", row) for row in rows)}

    held = {part: {*allowed} - ({*OPEN} if {*OPEN} <= {*allowed} else set()) for part, allowed in RULES.items()}
    assert told == {part: allowed for part, allowed in held.items() if part not in UNSAID}


def test_the_settings_that_are_named_exist():
    others = {"remake_lost", "submit_unknown"}

    assert set(re.findall(r"`([a-z]+_[a-z_]+)`", ARCHITECTURE)) - others <= set(names())
