"""The log as files: JSON Lines, or CSV that a spreadsheet takes for text."""

import csv
from collections.abc import AsyncIterator
from io import StringIO
from typing import Final, Literal

import msgspec

from sora2api.observe.reader import LoggedRequest

Format = Literal["jsonl", "csv"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What begins a formula in some spreadsheet, or hides its beginning."""


async def exported(entries: AsyncIterator[LoggedRequest], form: Format) -> AsyncIterator[str]:
    """Each of the *entries* as a line; of CSV, behind a line with the names of the columns."""
    if form == "csv":
        yield _row(LoggedRequest.__struct_fields__)
    async for entry in entries:
        if form == "csv":
            yield _row(tuple(_cell(value) for value in msgspec.structs.astuple(entry)))
        else:
            yield msgspec.json.encode(entry).decode() + "\n"


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return str(value)


def _row(cells: tuple[str, ...]) -> str:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
