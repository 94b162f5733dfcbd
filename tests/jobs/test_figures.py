"""What charts are made of: jobs counted by the hour as they end, and quantiles of how long they took."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from sora2api.jobs.figures import HOUR, Figures
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate


@pytest.fixture
async def database(tmp_path) -> AsyncIterator[Database]:
    migrate(tmp_path)
    database = Database(tmp_path / FILE)
    yield database
    await database.close()


@pytest.fixture
def count(tmp_path, database):
    """Count some jobs as if they had ended so many hours ago."""

    def count(of: str, name: str, jobs: int, *, hours_ago: int = 0, seconds: float = 0.0, cost: int = 0) -> None:
        row = (int(time.time() // HOUR) - hours_ago, of, name, jobs, seconds, cost)
        with closing(sqlite3.connect(tmp_path / FILE, timeout=30)) as connection, connection:
            connection.execute("INSERT OR REPLACE INTO figures VALUES (?, ?, ?, ?, ?, ?)", row)

    return count


async def test_each_span_has_what_ended_in_it(database, count):
    count("mode", "video", 3)
    count("mode", "video", 5, hours_ago=2)
    count("failure", "task_lost", 1, hours_ago=2)
    count("model", "sora-2", 4, hours_ago=2, seconds=32.0, cost=8_000)

    spans = await Figures(database).last(24, hours=1)

    assert [sum(span.modes.values()) for span in spans] == [0] * 21 + [5, 0, 3]
    assert spans[21].failures == {"task_lost": 1}
    assert spans[21].seconds == {"sora-2": 32.0}
    assert spans[21].cost == {"sora-2": 8_000}
    assert spans[1].begins - spans[0].begins == HOUR


async def test_a_day_is_the_sum_of_its_hours(database, count):
    for hours_ago in (48, 49, 50, 51):
        count("mode", "video", 1, hours_ago=hours_ago)

    spans = await Figures(database).last(30, hours=24)

    assert sum(sum(span.modes.values()) for span in spans) == 4
    assert all(span.begins % 86400 == 0 for span in spans)


async def test_what_is_over_is_read_once_and_what_goes_on_each_time(database, count):
    figures = Figures(database)
    count("mode", "video", 1)
    count("mode", "video", 1, hours_ago=20)
    await figures.last(24, hours=1)

    count("mode", "video", 7)
    count("mode", "video", 7, hours_ago=20)
    spans = await figures.last(24, hours=1)

    assert spans[23].modes == {"video": 7}
    assert spans[3].modes == {"video": 1}


async def test_quantiles_lie_within_the_step_that_they_are_told_from(database, count):
    # Steps 10 and 15 are lengths from 0.1 × 1.5^9 to 1.5^10, and from 1.5^14 to 1.5^15, tenths of a second.
    count("worked", "10", 90)
    count("worked", "15", 10)

    making = (await Figures(database).last(1, hours=1))[0].making

    assert 3.84 < making.p50 < 5.77
    assert 29.1 < making.p95 < 43.8


async def test_of_nothing_no_quantile_is_told(database):
    (span,) = await Figures(database).last(1, hours=1)

    assert (span.waiting.p50, span.making.p95) == (None, None)
