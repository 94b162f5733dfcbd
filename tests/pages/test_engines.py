"""docs/engines.md says of each dialect what the table of dialects says."""

import re
from typing import get_args

from pages.shown import DOCS

from sora2api.drivers import Capability
from sora2api.drivers.openai.dialects import DIALECTS
from sora2api.drivers.openai.settings import OpenAISettings

PAGE = (DOCS / "engines.md").read_text("utf-8")
COMPOSED = {"references", "remix", "edit", "extend", "characters", "shots"}
MADE_EVERYWHERE = {"image", "image_edit", "clip", "first_frame"}


def _cell(capability: str, native: bool) -> str:
    if capability in COMPOSED:
        return "native" if native else "composed"
    return "yes" if native else "no"


def test_the_table_of_dialects_is_that_of_the_driver():
    head, _, *rows = PAGE[PAGE.index("| dialect |") :].partition("\n\n")[0].splitlines()
    columns = re.findall(r"`(\w+)`", head)
    said = {
        cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in (row[2:-2].split("|") for row in rows)
    }

    assert set(columns) == set(get_args(Capability)) - MADE_EVERYWHERE
    assert said == {
        name: [_cell(column, column in dialect.images | dialect.videos) for column in columns]
        for name, dialect in DIALECTS.items()
    }


def test_what_is_told_of_no_dialect_is_had_at_all():
    assert [name for name, dialect in DIALECTS.items() if not dialect.images | dialect.videos >= MADE_EVERYWHERE] == []


def test_every_setting_of_an_account_is_explained():
    told_of = PAGE.partition("| setting | what it says |")[2].partition("\n\n")[0]

    assert set(re.findall(r"`(\w+)`", told_of)) >= set(OpenAISettings.__struct_fields__)
