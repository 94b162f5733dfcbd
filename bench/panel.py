"""What a page of the panel costs with many rows in the database, beside the same page with next to none.

`python bench/panel.py` makes one video on a real server and, in a copy of its data directory, as many rows as are asked
for out of those. Then each page is loaded from a server on each, logged in, in turns. The figures are printed as JSON.
"""

import argparse
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2

from sora2api.store.database import FILE

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from served import Served

BUDGET: Final = 3.0
PAGES: Final = (
    *("/", "/jobs", "/jobs?state=done", "/jobs?state=failed", "/jobs?model=sora-2", "/jobs?search=lantern"),
    *("/accounts", "/accounts?state=disabled", "/requests", "/requests?code=rate_limited", "/requests?model=sora-2"),
    *("/studio", "/keys", "/models", "/proxies", "/webhooks", "/plugins", "/audit", "/users", "/settings"),
)
BATCH: Final = 50_000
"""So many rows are added in one transaction."""
SPACING: Final = 4.0
"""A job was made every so many seconds."""
STATES: Final = ("completed",) * 8 + ("failed", "cancelled")
MODELS: Final = ("sora-2", "sora-2-pro", "sora-video", "sora-image")
PARTS: Final = ("tasks", "events", "assets")
"""The tables with rows of a job."""

Row = dict[str, Any]


def prepare(folder: Path) -> None:
    """A data directory with one video, and an administrator."""
    with Served(folder) as served:
        served.page.settle_in()
        httpx2.post(
            f"{served.url}/v1/chat/completions",
            json={
                "model": "sora-video",
                "size": "160x96",
                "seconds": 1,
                "messages": [{"role": "user", "content": "a lantern on the water"}],
            },
            headers={"Authorization": "Bearer han1234"},
            timeout=60,
            trust_env=False,
        ).raise_for_status()


def fill(folder: Path, *, jobs: int, requests: int, accounts: int) -> float:
    """Add so many rows; how many seconds it took."""
    begun = time.monotonic()
    connection = sqlite3.connect(folder / FILE)
    connection.row_factory = sqlite3.Row
    models = {
        table: [dict(row) for row in connection.execute(f"SELECT * FROM {table} LIMIT 20")]
        for table in ("jobs", "requests", "accounts", *PARTS)
    }
    _add(connection, "accounts", _accounts(models["accounts"][0], accounts))
    _add(connection, "jobs", (_job(models["jobs"][0], number) for number in range(jobs)))
    for table in PARTS:
        _add(connection, table, _parts(table, models[table], jobs))
    _add(connection, "requests", (_request(models["requests"][0], number) for number in range(requests)))
    connection.close()
    return time.monotonic() - begun


def _add(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            _insert(connection, table, batch)
            batch = []
    if batch:
        _insert(connection, table, batch)


def _insert(connection: sqlite3.Connection, table: str, batch: Sequence[Row]) -> None:
    columns = ", ".join(f'"{name}"' for name in batch[0])
    with connection:
        connection.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(batch[0]))})",
            [tuple(row.values()) for row in batch],
        )


def _accounts(model: Row, count: int) -> Iterator[Row]:
    for number in range(count):
        named = {"id": f"acct_{number:024x}", "name": f"account {number}", "token": None, "proxy": None}
        yield model | named | {"sandbox": 0, "enabled": 0, "weight": 1.0}


def _job_id(number: int) -> str:
    return f"video_{number:032x}"


def _job(model: Row, number: int) -> Row:
    at = model["created_at"] - SPACING * (number + 1)
    states = {"status": STATES[number % len(STATES)], "model": MODELS[number % len(MODELS)], "share_id": None}
    times = {"created_at": at, "started_at": at + 1, "completed_at": at + 60}
    return model | states | times | {"id": _job_id(number), "digest": f"{number:064x}"}


def _parts(table: str, models: Sequence[Row], jobs: int) -> Iterator[Row]:
    for number in range(jobs):
        for place, model in enumerate(models):
            row = model | {"job_id": _job_id(number)}
            if table == "tasks":
                row |= {"account_id": f"acct_{number % 1000:024x}", "engine_task": f"task_{number}_{place}"}
                row |= {"ended_at": (model["ended_at"] or 0) - SPACING * (number + 1)}
            yield row if table == "events" else row | {"id": f"{table}_{number:x}_{place}"}


def _request(model: Row, number: int) -> Row:
    failed, made = number % 97 == 0, number % 10 == 0
    told = {"status": 429 if failed else 200, "code": "rate_limited" if failed else None}
    told |= {"model": MODELS[number % len(MODELS)] if made else None, "mode": "video" if made else None}
    return model | told | {"id": f"req_{number:024x}", "at": model["at"] - number - 1, "job_id": None}


def times(servers: Mapping[str, Served], path: str, rounds: int) -> dict[str, float]:
    """The medians of the seconds that a page takes at each server, asked in turns: the machine has other work too."""
    took: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(rounds + 1):
        for name, served in servers.items():
            begun = time.perf_counter()
            page = served.page.get(path)
            seconds = time.perf_counter() - begun
            page.raise_for_status()
            if turn:  # the first time reads templates
                took[name].append(seconds)
    return {name: statistics.median(each) for name, each in took.items()}


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    few, many = folder / "few", folder / "many"
    prepare(few)
    shutil.copytree(few, many)
    filled = fill(many, jobs=options.jobs, requests=options.requests, accounts=options.accounts)
    pages: dict[str, Row] = {}
    with Served(few) as small, Served(many) as large:
        servers = {"few": small, "many": large}
        for served in servers.values():
            served.page.log_in_again()
        for path in PAGES:
            took = times(servers, path, options.rounds)
            pages[path] = {f"{name}_ms": round(1000 * seconds, 1) for name, seconds in took.items()}
            pages[path]["ratio"] = round(took["many"] / took["few"], 2)
    counts = {"jobs": options.jobs, "requests": options.requests, "accounts": options.accounts}
    return counts | {"filled_in_seconds": round(filled, 1), "budget": BUDGET, "pages": pages}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=5_000_000, help="rows of the log")
    parser.add_argument("--accounts", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compare(parser.parse_args(), Path(folder)), indent=2))


if __name__ == "__main__":
    main()
