"""While the database takes nothing, no end of a task counts as written; it is written once there is room."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from jobs.test_intent import Job, spec, tasks_of
from jobs.test_lost import ledger_of
from sqlalchemy.exc import OperationalError

from sora2api.errors import BadRequest
from sora2api.jobs.aftercare import Aftercare
from sora2api.jobs.lost import LostSubmits
from sora2api.jobs.poller import Pollers
from sora2api.store.database import FILE


def aftercare_of(accounts) -> Aftercare:
    ledger, book, engines = ledger_of(accounts), accounts.book, accounts.engines
    return Aftercare(
        book=book,
        engines=engines,
        pool=accounts.pool,
        pollers=Pollers(book, engines, longest=1),
        lost=LostSubmits(book, engines, ledger, interval=0.01),
        ledger=ledger,
    )


async def test_a_task_whose_end_cannot_be_written_is_live_until_it_is(accounts, tmp_path, caplog):
    account = await accounts.add("box")
    (tmp_path / "p.png").write_bytes(b"picture")
    with closing(sqlite3.connect(tmp_path / FILE)) as database:

        async def refused(*_given: object) -> None:
            database.execute("ALTER TABLE tasks RENAME TO elsewhere")
            raise BadRequest("No.")

        accounts.kind.submit = refused
        job = Job()
        with pytest.raises(OperationalError):
            await tasks_of(accounts, tmp_path).do(job, spec(tmp_path / "p.png"), lambda _percent: None)
        (task,) = job.tasks
        assert (task.ended_at, accounts.pool.in_use(account.id, "video")) == (None, 1)

        aftercare = aftercare_of(accounts)
        aftercare.see_to(task)
        for _ in range(500):
            if "the end could not be written" in caplog.text:
                break
            await asyncio.sleep(0.01)
        assert accounts.pool.in_use(account.id, "video") == 1
        database.execute("ALTER TABLE elsewhere RENAME TO tasks")
        for _ in range(500):
            if not accounts.pool.in_use(account.id, "video"):
                break
            await asyncio.sleep(0.01)

        assert database.execute("SELECT count(*) FROM tasks WHERE ended_at IS NULL").fetchone() == (0,)
    assert accounts.pool.in_use(account.id, "video") == 0
