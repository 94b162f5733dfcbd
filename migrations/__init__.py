"""The schema's history (Alembic). HEAD names the newest revision, so that a start need not import Alembic."""

from typing import Final

REVISIONS: Final = ("0001", "0002", "0003", "0004")
HEAD: Final = REVISIONS[-1]
