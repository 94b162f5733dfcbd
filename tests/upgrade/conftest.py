"""What an older version has left: the kept databases, as of a minute ago."""

import json
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rig import Rig

from sora2api.store.database import FILE
from sora2api.store.secrets import VARIABLE

HERE = Path(__file__).parent
SECRET_KEY = "the secret key of every kept database"
"""As in make.py."""
A_MINUTE = 60.0
LEAST_TIME = 1e9


class Left:
    """A rig's folder as it was left by the program of a *revision*, with its times moved to a minute ago."""

    def __init__(self, revision: str, folder: Path) -> None:
        with tarfile.open(HERE / f"{revision}.tar.xz") as tar:
            tar.extractall(folder, filter="data")
        self.folder = folder
        self.data = folder / "data"
        self.facts: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        self.change(*self._moved(time.time() - A_MINUTE - self.facts["made_at"]))

    def change(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.data / FILE)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables, but those that tell the revision."""
        with closing(sqlite3.connect(self.data / FILE)) as connection:
            connection.row_factory = sqlite3.Row
            names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
            return {
                table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
                for (table,) in connection.execute(names).fetchall()
            }

    def _moved(self, seconds: float) -> Iterator[str]:
        with closing(sqlite3.connect(self.data / FILE)) as connection:
            columns = """SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name)
                AS columns WHERE tables.type = 'table' AND columns.type = 'FLOAT'"""
            found = connection.execute(columns).fetchall()
        for table, column in found:
            yield f'UPDATE {table} SET "{column}" = "{column}" + {seconds} WHERE "{column}" > {LEAST_TIME}'


@pytest.fixture
def left(tmp_path, monkeypatch) -> Callable[[str], Left]:
    monkeypatch.setenv(VARIABLE, SECRET_KEY)
    return lambda revision: Left(revision, tmp_path)


@pytest.fixture
def rig(tmp_path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()
