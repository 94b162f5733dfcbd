"""The README in three languages: what can be checked of it without knowing them is the same."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READMES = {language: (ROOT / f"README{end}.md").read_text("utf-8") for language, end in (("ru", ".ru"), ("zh", ".zh"))}
ENGLISH = (ROOT / "README.md").read_text("utf-8")
_FENCED = re.compile(r"^ *```\w*\n.*?^ *```$", re.MULTILINE | re.DOTALL)


def _fenced(text: str) -> list[str]:
    return _FENCED.findall(text)


def _links(text: str) -> set[str]:
    """Where it leads, but to the other languages."""
    return {link for link in re.findall(r"\]\(([^)]+)\)|<(https?:[^>]+)>", text) if not link[0].startswith("README")}


def _headings(text: str) -> list[str]:
    return re.findall(r"^#+(?= )", _FENCED.sub("", text), re.MULTILINE)


def _code(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", _FENCED.sub("", text)))


@pytest.mark.parametrize("language", READMES)
@pytest.mark.parametrize("part", [_fenced, _links, _headings, _code])
def test_the_readme_is_the_same_in_each_language(language, part):
    assert part(READMES[language]) == part(ENGLISH)


@pytest.mark.parametrize("text", [ENGLISH, *READMES.values()], ids=["en", *READMES])
def test_each_leads_to_the_others(text):
    first = text.partition("\n\n")[2].partition("\n\n")[0]

    assert len(re.findall(r"\]\(README(?:\.\w\w)?\.md\)", first)) == 2
