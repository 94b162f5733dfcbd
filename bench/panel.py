"""What a page of the panel costs with many rows in the database, beside the same page with next to none.

`python bench/panel.py` makes one video on a real server and, in a copy of its data directory, as many rows as are asked
for out of those. Then each page is loaded from a server on each, logged in, in turns. The figures are printed as JSON.
What counts is the CPU time of a server: the machine may have other work too. Beside it stands what a client waited.
"""

import argparse
import contextlib
import functools
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
from many_rows import Size, fill

from sora2api.store.database import FILE

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from served import Served

BUDGET: Final = 3.0
QUIET: Final = ("--log-size", str(10**12))
"""The log is not cut while pages are timed."""
FAR: Final = 10
"""A page far down begins behind the newest nine tenths of the rows."""
JOBS: Final = (
    *("", "?state=waiting", "?state=making", "?state=done", "?state=failed", "?model=sora-2", "?model=sora-video"),
    *("?search=lantern", "?search=no+such+words", "?search={job}", "?account={account_name}", "?key={key}"),
    *("?key={key}&state=failed", "?state=failed&model=sora-2&search=lantern", "?mode=video", "?within=604800"),
    *("?after={far_job}", "?state=failed&after={far_job}", "?search=lantern&after={far_job}", "?before={far_job}"),
)
REQUESTS: Final = (
    *("", "?since=24h", "?status=200", "?status=429", "?status=502", "?code=rate_limited", "?model=sora-2"),
    *("?mode=video", "?key={key}", "?account={account_name}", "?path=/v1/videos", "?job={job}", "?text=lantern"),
    *("?text=no+such+words", "?code=rate_limited&key={key}", "?until=2000-01-01"),
    *("?after={far_request}", "?code=rate_limited&after={far_request}", "?text=lantern&after={far_request}"),
)
SORTS: Final = ("name", "-name", "state", "-state", "slots", "-slots", "success", "-success", "used", "-used")
ACCOUNTS: Final = (
    *("", "?state=ready", "?state=ill", "?state=disabled", "?search=account+49", "?group=night", "?driver=openai"),
    *(f"?sort={each}" for each in (*SORTS, "expires", "priority")),
    *("?after={far_account}", "?sort=success&after={far_account}", "/add", "/import", "/{account}", "/{account}/edit"),
)
PAGES: Final = (
    *("/", "/?span=month", "/studio", "/keys", "/keys?search=key+1", "/models", "/models?open=sora-2", "/proxies"),
    *("/webhooks", "/plugins", "/audit", "/users", "/settings", "/me"),
    *(f"/jobs{each}" for each in JOBS),
    "/jobs/{job}",
    *(f"/requests{each}" for each in REQUESTS),
    "/requests/{request}",
    *(f"/accounts{each}" for each in ACCOUNTS),
)
LISTS: Final = tuple(
    f"/api/v1/{each}"
    for each in (
        *("overview", "jobs", "jobs?state=failed", "jobs?search=lantern", "jobs?after={far_job}", "jobs/{job}"),
        *("requests", "requests?code=rate_limited", "requests?after={far_request}", "requests/{request}"),
        *("accounts", "accounts?sort=success", "accounts/{account}", "keys", "models", "proxies", "audit"),
    )
)
"""Of the admin API."""

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


@functools.cache
def places(folder: Path) -> Mapping[str, str]:
    """What stands in the addresses of pages: some rows of this data directory, the oldest, and what lies far down."""
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:

        def far(table: str, moment: str) -> tuple[float, str]:
            first, last = connection.execute(f"SELECT min({moment}), max({moment}) FROM {table}").fetchone()
            wanted = f"SELECT {moment}, id FROM {table} WHERE {moment} >= ? ORDER BY {moment} LIMIT 1"
            found: tuple[float, str] = connection.execute(wanted, (first + (last - first) / FAR,)).fetchone()
            return found

        job, request = far("jobs", "created_at"), far("requests", "at")
        accounts, last, name = connection.execute("SELECT count(*), max(id), name FROM accounts").fetchone()
        (key,) = connection.execute("SELECT owner FROM jobs WHERE id = ?", (job[1],)).fetchone()
    return {
        "job": job[1],
        "far_job": f"{job[0]!r}~{job[1]}",
        "request": request[1],
        "far_request": f"{request[0]!r}.{request[1]}",
        "account": last,
        "account_name": name,
        "far_account": str(accounts * 9 // FAR),
        "key": key,
    }


def timed(servers: Mapping[str, Served], path: str, rounds: int) -> Row:
    """The medians of what a page costs at each server, asked in turns, and how many bytes it has with many rows."""
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    waited: dict[str, list[float]] = {name: [] for name in servers}
    paths = {name: path.format(**places(served.folder)) for name, served in servers.items()}
    for turn in range(rounds + 1):
        for name, served in servers.items():
            begun, used = time.perf_counter(), served.cpu_seconds()
            page = served.page.get(paths[name])
            page.raise_for_status()
            if turn:  # the first time reads what lies on the disk
                waited[name].append(time.perf_counter() - begun)
                cpu[name].append(served.cpu_seconds() - used)
    row: Row = {"ratio": round(statistics.median(cpu["many"]) / statistics.median(cpu["few"]), 2)}
    for name in servers:
        row[f"{name}_ms"] = round(1000 * statistics.median(cpu[name]), 1)
        row[f"{name}_waited_ms"] = round(1000 * statistics.median(waited[name]), 1)
    return row | {"bytes": len(page.content)}


def started(folder: Path) -> tuple[Served, Row]:
    """A server, how many seconds it took to start, and how much memory it has then, in MB."""
    begun = time.monotonic()
    served = Served(folder, *QUIET)
    seconds = time.monotonic() - begun
    served.page.log_in_again()
    return served, {"started_in_seconds": round(seconds, 1), "memory_mb": round(served.memory() / 1e6)}


def compare(folder: Path, size: Size, rounds: int) -> Row:
    few, many = folder / "few", folder / "many"
    begun = time.monotonic()
    if not few.exists():
        prepare(few)
    if not many.exists():
        shutil.copytree(few, many)
        fill(many, size)
    told: Row = {"filled_in_seconds": round(time.monotonic() - begun, 1), "budget": BUDGET}
    small, told["few"] = started(few)
    with small:
        large, told["many"] = started(many)
        with large:
            told["pages"] = {path: timed({"few": small, "many": large}, path, rounds) for path in (*PAGES, *LISTS)}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=5_000_000, help="rows of the log")
    parser.add_argument("--accounts", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keep the rows there, or take those that are there")
    options = parser.parse_args()
    size = Size(options.jobs, options.requests, options.accounts)
    with tempfile.TemporaryDirectory() as temporary:
        told = compare(options.folder or Path(temporary), size, options.rounds)
    print(json.dumps({"jobs": size.jobs, "requests": size.requests, "accounts": size.accounts} | told, indent=2))


if __name__ == "__main__":
    main()
