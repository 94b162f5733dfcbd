"""The queue of the log, and what goes from it."""

import asyncio
import logging
import sqlite3
import time
from contextlib import closing

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from sora2api.egress.trace import Call
from sora2api.observe import rows
from sora2api.observe.log import RequestLog
from sora2api.observe.requests import Note
from sora2api.store.database import FILE
from sora2api.store.tables import calls, request_bodies, requests

DAY = 86400.0


def note(number: int, *, age: float = 0.0, body: bytes | None = None) -> Note:
    made = Note(f"req_{number:06d}", "POST", "/v1/videos")
    made.at -= age
    made.body = body
    return made


def call(*, age: float = 0.0) -> Call:
    return Call(
        at=time.time() - age,
        account_id="acc_1",
        job_id=None,
        request_id=None,
        proxy=None,
        method="GET",
        url="http://engine/v1/videos",
        status=200,
        code=None,
        took=0.1,
        bytes_sent=0,
        bytes_received=10,
    )


@pytest.fixture
def opened(database):
    def open_(*, lifetime: float = 30 * DAY, size: int = 2**30) -> RequestLog:
        return RequestLog(database, prompts=True, lifetime=lifetime, size=size)

    return open_


async def count(database, table=requests) -> int:
    async with database.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


async def until(database, least: int) -> None:
    """Wait until so many rows are there."""
    for _ in range(1000):
        if await count(database) >= least:
            return
        await asyncio.sleep(0.01)
    pytest.fail("too few rows")


async def test_what_comes_in_is_written_soon_and_a_full_batch_at_once(database, opened):
    log = opened()
    running = asyncio.create_task(log.run())
    log.add(note(0))
    await until(database, 1)
    for number in range(1, 400):
        log.add(note(number))
    await until(database, 400)

    running.cancel()
    await asyncio.wait((running,))


async def test_a_flush_writes_all_that_waits(database, opened):
    log = opened()
    for number in range(1000):
        log.add(note(number))
    log.call(call())

    await log.flush()

    assert (await count(database), await count(database, calls)) == (1000, 1)


async def test_a_stop_loses_nothing_of_a_batch_that_is_being_written(database, opened):
    log = opened()
    running = asyncio.create_task(log.run())
    for number in range(5000):
        log.add(note(number))
    await until(database, 1)
    running.cancel()
    await asyncio.wait((running,))

    await log.flush()

    assert await count(database) == 5000


async def test_what_the_database_does_not_take_waits_until_it_does(database, opened, caplog, tmp_path):
    log = opened()
    running = asyncio.create_task(log.run())
    log.add(note(0))
    await until(database, 1)
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("ALTER TABLE requests RENAME TO elsewhere")
        log.add(note(1))
        log.call(call())
        for _ in range(1000):
            if "cannot be written" in caplog.text:
                break
            await asyncio.sleep(0.01)
        other.execute("ALTER TABLE elsewhere RENAME TO requests")
    await until(database, 2)
    running.cancel()
    await asyncio.wait((running,))

    assert (await count(database), await count(database, calls)) == (2, 1)


async def test_a_prompt_that_is_to_be_forgotten_while_it_cannot_be_written_is_not_written_later(
    database, opened, tmp_path
):
    log = opened()
    secret = note(1)
    secret.job_id, secret.prompt = "job_1", "a secret"
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("ALTER TABLE requests RENAME TO elsewhere")
        log.add(secret)
        writing = asyncio.create_task(log.flush())
        await asyncio.sleep(0)
        forgetting = asyncio.create_task(log.forget("job_1"))
        await asyncio.wait((writing, forgetting))
        other.execute("ALTER TABLE elsewhere RENAME TO requests")
    await log.flush()

    assert isinstance(forgetting.exception(), OperationalError)
    async with database.reading() as connection:
        assert (await connection.execute(select(requests.c.prompt))).scalars().all() == [None]


async def test_a_stop_says_what_is_lost_where_the_database_takes_nothing(database, opened, caplog, tmp_path):
    log = opened()
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("ALTER TABLE requests RENAME TO elsewhere")
    log.add(note(1))

    await log.flush()

    assert [record.entries for record in caplog.records if "lost" in record.getMessage()] == [1]


async def test_a_full_queue_drops_the_oldest_and_says_how_many(database, opened, caplog):
    log = opened()
    begun = time.monotonic()
    for number in range(10_500):
        log.add(note(number))
    took = time.monotonic() - begun

    with caplog.at_level(logging.WARNING):
        await log.flush()

    assert took < 2
    assert await count(database) == 10_000
    async with database.reading() as connection:
        assert (await connection.execute(select(func.min(requests.c.id)))).scalar_one() == "req_000500"
    assert [record.entries for record in caplog.records if "dropped" in record.message] == [500]


async def test_bodies_that_wait_are_bounded_by_their_size(database, opened):
    log = opened()
    for number in range(1000):
        log.add(note(number, body=b'"' + b"x" * 65_000 + b'"'))

    await log.flush()

    assert 400 < await count(database) < 600


async def test_a_database_that_is_locked_holds_nobody_up(database, opened, tmp_path):
    log = opened()
    running = asyncio.create_task(log.run())
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        log.add(note(0))
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        log.add(note(1))
        assert time.monotonic() - begun < 0.1
        assert await count(database) == 0
        other.execute("ROLLBACK")
    await until(database, 2)

    running.cancel()
    await asyncio.wait((running,))


async def cleaned(log: RequestLog) -> int:
    """All that goes, a little at a time."""
    removed = 0
    while some := await log.clean_up():
        removed += some
    return removed


async def test_what_is_too_old_goes_a_little_at_a_time(database, opened):
    log = opened(lifetime=10 * DAY)
    for number in range(600):
        log.add(note(number, age=(11 if number < 500 else 9) * DAY, body=b'"a"'))
        log.call(call(age=(11 if number < 300 else 9) * DAY))
    await log.flush()

    first = await log.clean_up()
    await cleaned(log)

    assert 0 < first <= 250
    assert [await count(database, table) for table in (requests, request_bodies, calls)] == [100, 100, 300]


async def test_the_oldest_go_when_the_log_is_too_large(database, opened):
    log = opened(size=300_000)
    for number in range(2000):
        log.add(note(number, age=2000 - number, body=b'"' + bytes(str(number) * 30, "ascii") + b'"'))
    await log.flush()
    async with database.reading() as connection:
        _, before = await rows.size(connection)

    await cleaned(log)

    async with database.reading() as connection:
        assert (await rows.size(connection))[1] <= 300_000 < before
        left = (await connection.execute(select(requests.c.id).order_by(requests.c.at))).scalars().all()
    assert 0 < len(left) < 2000
    assert left == [f"req_{number:06d}" for number in range(2000 - len(left), 2000)]


async def test_the_size_is_about_what_the_tables_take(database, opened, tmp_path):
    log = opened()
    empty = (tmp_path / FILE).stat().st_size
    for number in range(4000):
        log.add(note(number, body=b'"' + bytes(str(hash(number)) * 20, "ascii") + b'"'))
    await log.flush()
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async with database.reading() as connection:
        _, size = await rows.size(connection)

    grown = (tmp_path / FILE).stat().st_size - empty
    assert grown / 2 < size < grown * 2
