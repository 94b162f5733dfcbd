"""What is broken off between the lease of an account and the intent of a task leaves no slot held."""

import asyncio
import time
from pathlib import Path

import pytest
from jobs.test_lost import ledger_of

from sora2api.accounts import Need
from sora2api.drivers import File, Work
from sora2api.jobs.fetch import Fetches
from sora2api.jobs.lost import LostSubmits
from sora2api.jobs.poller import Pollers
from sora2api.jobs.submit import Submits
from sora2api.jobs.tasks import Spec, Tasks
from sora2api.media.store import MediaStore
from sora2api.media.workshop import Workshop


class Job:
    """A job, as far as its tasks know it."""

    id = "job"
    owner = "key"
    need = None

    def __init__(self) -> None:
        self.tasks = []
        self.admitted = time.time()

    def begin(self) -> None:
        pass

    async def say(self, event) -> None:
        pass


def tasks_of(accounts, folder: Path) -> Tasks:
    ledger = ledger_of(accounts)
    book, engines, pool, health = accounts.book, accounts.engines, accounts.pool, accounts.health
    lost = LostSubmits(book, engines, ledger, interval=0.01)
    store = MediaStore(folder, accounts.database, Workshop(), reserve=0)
    return Tasks(
        book=book,
        pool=pool,
        health=health,
        pollers=Pollers(book, engines, longest=1),
        submits=Submits(book=book, engines=engines, health=health, lost=lost, ledger=ledger, tries=1),
        fetches=Fetches(
            book=book, engines=engines, health=health, pool=pool, ledger=ledger, store=store, file_size=1000
        ),
        ledger=ledger,
        queue_timeout=5,
        tries=1,
    )


def spec(picture: Path) -> Spec:
    work = Work(make="clip", key="", images=(File(path=picture, content_type="image/png", name="p.png"),))
    need = Need(model="sora-video", slot="video", capabilities=frozenset({"clip", "first_frame"}))
    return Spec(name="video", need=need, work=work)


async def test_a_picture_that_cannot_be_read_holds_no_slot(accounts, tmp_path):
    account = await accounts.add("box")

    with pytest.raises(FileNotFoundError):
        await tasks_of(accounts, tmp_path).do(Job(), spec(tmp_path / "gone.png"), lambda _percent: None)

    assert accounts.pool.in_use(account.id, "video") == 0


async def test_a_cancel_before_a_task_is_written_down_holds_no_slot(accounts, tmp_path):
    account = await accounts.add("box")
    (tmp_path / "p.png").write_bytes(b"picture")

    for moment in range(40):
        doing = asyncio.create_task(
            tasks_of(accounts, tmp_path).do(job := Job(), spec(tmp_path / "p.png"), lambda _percent: None)
        )
        for _ in range(moment):
            await asyncio.sleep(0)
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        held = accounts.pool.in_use(account.id, "video")
        assert held == len(job.tasks)  # what is written down is seen to by the job's end
        for task in job.tasks:
            accounts.pool.release(task.id)
