"""Accounts by file: reading several formats, bringing rows in with a report of each, and writing them out."""

from sora2api.accounts.exchange.envelope import Envelope, opened, sealed
from sora2api.accounts.exchange.plan import Outcome, Plan
from sora2api.accounts.exchange.reading import FORMATS, Defaults, Format, Row, encrypted, rows
from sora2api.accounts.exchange.writing import as_csv, as_json

__all__ = [
    "FORMATS",
    "Defaults",
    "Envelope",
    "Format",
    "Outcome",
    "Plan",
    "Row",
    "as_csv",
    "as_json",
    "encrypted",
    "opened",
    "rows",
    "sealed",
]
