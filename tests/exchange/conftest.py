"""A book of accounts in an empty data directory, and commands as an operator runs them."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sora2api.accounts import AccountBook
from sora2api.accounts.exchange import Defaults, Outcome, Plan, Row, rows
from sora2api.accounts.proxies import ProxyBook
from sora2api.drivers.openai import OpenAIDriver
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets

DRIVERS = {"openai": OpenAIDriver}
DEFAULTS = Defaults()
URL = "http://127.0.0.1:9/v1"


class Books(NamedTuple):
    """The accounts and proxies of one data directory."""

    accounts: AccountBook
    proxies: ProxyBook

    def plan(self, **options: Any) -> Plan:
        return Plan(self.accounts, DRIVERS, check_proxy=self.proxies.check_word, **options)

    async def bring_in(self, data: str | bytes, *, form: str = "auto", defaults: Defaults = DEFAULTS, **options):
        """What became of the rows of *data*."""
        plan = self.plan(**options)
        outcomes = [plan.take(row) for row in read(data, form=form, defaults=defaults)]
        await plan.carry_out()
        return outcomes


def read(data: str | bytes, *, form: str = "auto", defaults: Defaults = DEFAULTS) -> list[Row]:
    return list(rows(data.encode() if isinstance(data, str) else data, form=form, defaults=defaults))


def document(*accounts: object) -> str:
    return json.dumps({"sora2api": 1, "accounts": accounts})


def results(outcomes: list[Outcome]) -> list[tuple[int, str | None, str]]:
    return [(outcome.row, outcome.name, outcome.result) for outcome in outcomes]


def sora2api(folder: Path, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sora2api", "account", *arguments, "--data-dir", str(folder)],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
async def books(tmp_path) -> AsyncIterator[Books]:
    migrate(tmp_path)
    database = Database(tmp_path / FILE)
    vault = Secrets.open(tmp_path)
    yield Books(AccountBook(database, vault), ProxyBook(database, vault))
    await database.close()
