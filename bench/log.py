"""What a page of the log costs out of many rows, beside the same page out of few: `python bench/log.py`.

Also how fast rows are added, and how long a removal of the oldest holds the writer. All in temporary databases.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from sora2api.observe import rows
from sora2api.observe.log import RequestLog
from sora2api.observe.reader import Filters, LogReader
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.tables import requests

BUDGET: Final = 3.0
FEW: Final = 5_000
BEGUN: Final = 1_700_000_000.0
PAGES: Final = {
    "newest": Filters(),
    "of a key": Filters(key_id="key_7"),
    "of a model": Filters(model="sora-2"),
    "failed": Filters(code="rate_limited"),
    "of a status": Filters(status=429),
    "until a time": Filters(until=BEGUN + FEW / 2),
}


def entries(count: int) -> Iterator[dict[str, Any]]:
    """Requests as a server has them: most ask how a job is, one in ten makes one, a few fail."""
    for number in range(count):
        made = number % 10 == 0
        failed = number % 97 == 0
        yield {
            "id": f"req_{random.getrandbits(96):024x}",
            "at": BEGUN + number,
            "key_id": f"key_{number % 20}",
            "address": "192.0.2.7",
            "method": "POST" if made else "GET",
            "path": "/v1/videos" if made else f"/v1/videos/video_{random.getrandbits(128):032x}",
            "status": 429 if failed else 200,
            "code": "rate_limited" if failed else None,
            "bytes_in": 200 if made else 0,
            "bytes_out": 800,
            "replied": 0.004,
            "job_id": f"video_{random.getrandbits(128):032x}" if made else None,
            "mode": "video" if made else None,
            "model": random.choice(("sora-2", "sora-video")) if made else None,
            "prompt": "a lantern on the water at night" if made else None,
        }


async def filled(folder: Path, count: int) -> tuple[Database, float]:
    """A log with so many rows, and how many were added a second."""
    migrate(folder)
    database = Database(folder / FILE)
    took = 0.0
    batch: list[dict[str, Any]] = []
    for entry in entries(count):
        batch.append(entry)
        if len(batch) == 200:
            took += await _add(database, batch)
            batch = []
    return database, count / took


async def _add(database: Database, batch: list[dict[str, Any]]) -> float:
    begun = time.perf_counter()
    await database.write(lambda connection: connection.execute(insert(requests), batch))
    return time.perf_counter() - begun


async def page(database: Database, filters: Filters, *, rounds: int) -> float:
    """A page's CPU time in milliseconds, the median."""
    reader = LogReader(database)
    times = []
    for _ in range(rounds):
        begun = time.process_time()  # of all threads: the machine has other work too
        await reader.page(filters, limit=50)
        times.append(time.process_time() - begun)
    return 1000 * statistics.median(times)


async def removal(database: Database) -> list[float]:
    """How long removals hold the writer, in milliseconds, the longest last."""
    log = RequestLog(database, prompts=True, lifetime=1.0, size=1)
    took: list[float] = []
    inner = rows.remove_before

    async def timed(*given: Any, **named: Any) -> int:
        begun = time.perf_counter()
        removed = await inner(*given, **named)
        took.append(1000 * (time.perf_counter() - begun))
        return removed

    rows.remove_before = timed
    for _ in range(100):
        await log.clean_up()
    rows.remove_before = inner
    return sorted(took)


async def compare(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        small, _ = await filled(Path(few), FEW)
        large, rate = await filled(Path(many), options.rows)
        pages = {}
        for name, filters in PAGES.items():
            times = [await page(database, filters, rounds=options.rounds) for database in (small, large)]
            pages[name] = {"few_ms": round(times[0], 2), "many_ms": round(times[1], 2)}
            pages[name]["ratio"] = round(times[1] / times[0], 2)
        nowhere = 1000 * await _searched(large)
        async with large.reading() as connection:
            begun = time.process_time()
            _, size = await rows.size(connection)
            sized = 1000 * (time.process_time() - begun)
        removed = await removal(large)
        await small.close()
        await large.close()
    return {
        "rows": options.rows,
        "added_a_second": round(rate),
        "pages": pages,
        "budget": BUDGET,
        "text_found_nowhere_ms": round(nowhere, 1),
        "size_estimated_mb": round(size / 1e6, 1),
        "size_ms": round(sized, 1),
        "removal_ms": {"median": round(statistics.median(removed), 1), "longest": round(removed[-1], 1)},
    }


async def _searched(database: Database) -> float:
    """The time of one page that finds nothing in what it may look at."""
    begun = time.process_time()
    await LogReader(database).page(Filters(text="no such words"), limit=50)
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many are many")
    parser.add_argument("--rounds", type=int, default=30)
    print(json.dumps(asyncio.run(compare(parser.parse_args())), indent=2))


if __name__ == "__main__":
    main()
