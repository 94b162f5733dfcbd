"""Looking through the jobs of all owners: how far one page looks, and by which index."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from sora2api.jobs.browsing import Browsing, Filters, _indexed, _lead
from sora2api.store.database import FILE, Database
from sora2api.store.keyset import STEPS, behind
from sora2api.store.migrate import migrate
from sora2api.store.tables import jobs

MANY = sum(STEPS) + 500
FILL = f"""
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {MANY})
INSERT INTO jobs (id, kind, owner, mode, mode_version, model, prompt, size, request, plan, status, progress,
                  created_at, digest, answered)
SELECT printf('video_%032x', i), 'video', 'key_' || (i % 3), 'video', '1', 'sora-2', 'boat number ' || i, '1280x720',
       '{{}}', '{{}}', CASE WHEN i % 100 = 0 THEN 'failed' WHEN i % 100 = 1 THEN 'cancelled'
       WHEN i % 100 = 2 THEN 'queued' ELSE 'completed' END, 100,
       i, '', 1 FROM numbers
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    migrate(folder)
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        database.execute(FILL)
    return folder


@pytest.fixture
async def browsing(folder) -> AsyncIterator[Browsing]:
    database = Database(folder / FILE)
    yield Browsing(database)
    await database.close()


async def test_a_page_looks_at_so_many_jobs_and_the_next_goes_on_from_there(browsing):
    wanted = Filters(text="boat number 7", mode="video", until=400)
    rare = Filters(text="number 77", mode="video")

    near = await browsing.page(wanted, limit=100)
    first = await browsing.page(rare, limit=1000)
    rest = await browsing.page(rare, after=first.older, limit=1000)

    assert [job.id for job in near.jobs] == [f"video_{number:032x}" for number in (*range(79, 69, -1), 7)]
    assert first.older is not None
    assert rest.jobs[-1].id == f"video_{77:032x}"
    assert rest.older is None


async def test_pages_of_failures_go_back_as_they_came(browsing):
    newest = await browsing.page(Filters(state="failed"), limit=10)
    older = await browsing.page(Filters(state="failed"), after=newest.older, limit=10)
    back = await browsing.page(Filters(state="failed"), before=older.newer, limit=10)

    assert {job.status for job in newest.jobs} == {"failed", "cancelled"}
    assert back.jobs == newest.jobs
    assert back.newer is None
    assert not {job.id for job in newest.jobs} & {job.id for job in older.jobs}


async def test_counts_end_at_what_is_worth_counting(browsing, monkeypatch):
    counted = await browsing.counts()
    monkeypatch.setattr("sora2api.jobs.browsing.COUNTED", 10)

    assert counted == {"waiting": 1 + (MANY - 2) // 100, "making": 0}
    assert await browsing.counts() == {"waiting": 10, "making": 0}


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (Filters(), "ix_jobs_created_at"),
        (Filters(owner="key_1", state="failed"), "ix_jobs_owner_created_at"),
        (Filters(model="sora-2", since=1.0), "ix_jobs_model_created_at"),
        (Filters(state="done"), "ix_jobs_status_created_at"),
        (Filters(state="waiting", owner="key_1"), "ix_jobs_status_created_at"),
        (Filters(state="failed"), "ix_jobs_failed"),
    ],
)
def test_each_order_has_its_index(folder, filters, index):
    wanted = behind(_indexed(filters, _lead(filters)), jobs, (5.0, "video"), ascending=False).limit(51)
    query = wanted.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with closing(sqlite3.connect(folder / FILE)) as database:
        plan = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}"))

    assert index in plan
    assert "TEMP B-TREE" not in plan
