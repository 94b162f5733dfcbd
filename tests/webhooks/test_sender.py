"""Delivering, with pauses short enough to watch: attempts, their end, lanes, and what is kept."""

import asyncio
import ipaddress
import json
import shutil
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, update
from webhooks.receivers import Receiver

from sora2api.egress import GuardedFetch
from sora2api.notify import Deliveries, Endpoints, JobEnd, Sender, Signer
from sora2api.notify.sender import PAUSES
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets
from sora2api.store.tables import webhook_deliveries

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
DAY = 86400.0


class Rig:
    """The parts of webhooks on a database of their own, and what a job's end does to them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.signer = Signer(Secrets(b"k" * 32))
        self.endpoints = Endpoints(database, self.signer)
        self.deliveries = Deliveries(database, self.endpoints)
        self.running: list[asyncio.Task[None]] = []

    def start(self, **options) -> asyncio.Task[None]:
        fetch = GuardedFetch(allow=LOOPBACK)
        sender = Sender(self.deliveries, self.endpoints, self.signer, fetch, **options)
        self.running.append(asyncio.create_task(sender.run()))
        return self.running[-1]

    async def endpoint(self, receiver: Receiver) -> str:
        made, _ = await self.endpoints.create(
            owner="me", name="mine", url=receiver.url, event_types=["video.completed"]
        )
        return made.id

    async def end(self, job_id: str = "video_1", callback_url: str | None = None) -> None:
        end = JobEnd(job_id=job_id, kind="video", status="completed", owner="me", callback_url=callback_url)
        if await self.database.write(lambda connection: self.deliveries.put(connection, end)):
            self.deliveries.news.set()

    async def rows(self) -> list:
        async with self.database.reading() as connection:
            found = await connection.execute(select(webhook_deliveries).order_by(webhook_deliveries.c.created_at))
            return found.all()

    async def ended(self) -> list:
        """All deliveries, once none is pending."""
        async with asyncio.timeout(10):
            while any(row.ended_at is None for row in await self.rows()):  # noqa: ASYNC110 - it is in the database
                await asyncio.sleep(0.02)
        return await self.rows()

    async def age(self, seconds: float) -> None:
        """Make all deliveries so much older."""
        columns = ("created_at", "began_at", "due_at", "ended_at")
        older = {name: webhook_deliveries.c[name] - seconds for name in columns}
        await self.database.write(lambda connection: connection.execute(update(webhook_deliveries).values(**older)))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("migrated")
    migrate(folder)
    return folder / FILE


@pytest.fixture
async def rig(tmp_path, migrated) -> AsyncIterator[Rig]:
    shutil.copy(migrated, tmp_path / FILE)
    database = Database(tmp_path / FILE)
    rig = Rig(database)
    yield rig
    for task in rig.running:
        task.cancel()
    await asyncio.gather(*rig.running, return_exceptions=True)
    await database.close()


async def received(receiver: Receiver, count: int = 1):
    return await asyncio.to_thread(receiver.wait, count)


async def test_attempts_go_on_until_one_is_taken(rig, receiver):
    receiver.status = 503
    await rig.endpoint(receiver)
    rig.start(pauses=(0.05, 0.1))

    await rig.end()
    await received(receiver, 4)
    receiver.status = 200

    (row,) = await rig.ended()
    assert (row.status, row.status_code, row.error) == ("delivered", 200, None)
    assert row.attempts == len(receiver.received) >= 5
    assert {each.id for each in receiver.received} == {row.id}


async def test_attempts_end_when_their_time_is_over(rig, receiver):
    receiver.status = 500
    await rig.endpoint(receiver)
    rig.start(pauses=(0.05,), tried_for=0.4)

    await rig.end()

    (row,) = await rig.ended()
    assert (row.status, row.status_code, row.error) == ("failed", 500, "The answer was 500.")
    assert row.attempts == len(receiver.received) > 2
    assert row.ended_at - row.began_at < 2


def test_the_pauses_grow_to_six_hours():
    assert PAUSES == (5, 30, 120, 600, 1800, 3600, 10800, 21600)


async def test_a_receiver_that_does_not_answer_is_given_up_in_time(rig, receiver):
    receiver.open.clear()
    await rig.endpoint(receiver)
    rig.start(pauses=(60,), timeout=0.2)

    await rig.end()
    await received(receiver)

    async with asyncio.timeout(5):
        while not (row := (await rig.rows())[0]).attempts:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
    assert (row.status, row.status_code) == ("pending", None)
    assert "too slow" in row.error
    assert 45 < row.due_at - time.time() < 75


async def test_a_slow_receiver_gets_four_at_a_time(rig, receiver):
    receiver.open.clear()
    await rig.endpoint(receiver)
    rig.start()
    for number in range(7):
        await rig.end(f"video_{number}")

    await received(receiver, 4)
    await asyncio.sleep(0.3)
    assert len(receiver.received) == 4
    receiver.open.set()

    assert {row.status for row in await rig.ended()} == {"delivered"}
    assert {json.loads(each.body)["data"]["id"] for each in receiver.received} == {f"video_{n}" for n in range(7)}
    assert len(receiver.received) == 7


async def test_what_is_due_at_a_start_is_sent_however_old_it_is(rig, receiver):
    await rig.endpoint(receiver)
    await rig.end()
    await rig.age(30 * DAY)

    rig.start()

    assert [row.status for row in await rig.ended()] == ["delivered"]


async def test_a_sender_that_is_stopped_in_the_middle_leaves_it_to_the_next(rig, receiver):
    receiver.open.clear()
    await rig.endpoint(receiver)
    first = rig.start()
    await rig.end()
    await received(receiver)
    first.cancel()
    await asyncio.wait((first,))
    receiver.open.set()

    rig.start()

    (row,) = await rig.ended()
    assert {each.id for each in await received(receiver, 2)} == {row.id}


async def test_a_callback_that_is_gone_is_given_up_at_once(rig, receiver):
    receiver.status = 410
    rig.start()

    await rig.end(callback_url=receiver.url)

    (row,) = await rig.ended()
    assert (row.status, row.attempts, row.status_code) == ("failed", 1, 410)


async def test_a_week_after_its_end_a_delivery_is_forgotten(rig, receiver):
    await rig.endpoint(receiver)
    rig.start()
    await rig.end("video_old")
    await rig.ended()
    await rig.age(6 * DAY)
    assert await rig.deliveries.clean_up() == 0
    await rig.age(DAY + 1)
    receiver.status = 500
    await rig.end("video_new")
    await received(receiver, 2)

    assert await rig.deliveries.clean_up() == 1

    assert [json.loads(row.body)["data"]["id"] for row in await rig.rows()] == ["video_new"]


async def test_with_its_endpoint_a_delivery_is_removed(rig, receiver):
    endpoint = await rig.endpoint(receiver)
    await rig.end()

    await rig.endpoints.remove(endpoint, owner="me")
    rig.start()
    await rig.end("video_2")

    assert await rig.rows() == []
    assert receiver.received == []


async def test_an_end_that_nobody_asked_for_leaves_nothing(rig, receiver):
    await rig.endpoint(receiver)
    end = JobEnd(job_id="video_1", kind="video", status="failed", owner="me", callback_url=None)
    others = JobEnd(job_id="video_2", kind="video", status="completed", owner="you", callback_url=None)

    for each in (end, others):
        assert not await rig.database.write(lambda connection, each=each: rig.deliveries.put(connection, each))

    assert await rig.rows() == []


@pytest.mark.parametrize(
    ("kind", "status", "asked", "told"),
    [
        ("video", "failed", ["video.completed", "video.failed"], "video.failed"),
        ("video", "cancelled", ["video.failed"], "video.failed"),
        ("video", "cancelled", ["video.failed", "video.cancelled"], "video.cancelled"),
        ("image", "failed", ["image.failed"], "image.failed"),
        ("image", "cancelled", ["image.failed", "video.cancelled"], "image.failed"),
    ],
)
async def test_each_end_is_told_as_the_most_exact_event_that_is_asked_for(rig, receiver, kind, status, asked, told):
    await rig.endpoints.create(owner="me", name="mine", url=receiver.url, event_types=asked)
    end = JobEnd(job_id="job_1", kind=kind, status=status, owner="me", callback_url=None)

    await rig.database.write(lambda connection: rig.deliveries.put(connection, end))

    (row,) = await rig.rows()
    assert json.loads(row.body)["type"] == told


@pytest.mark.parametrize("ascending", [True, False])
async def test_deliveries_are_listed_a_page_at_a_time(rig, receiver, ascending):
    endpoint = await rig.endpoint(receiver)
    for number in range(5):
        await rig.end(f"video_{number}")

    after, pages = None, []
    more = True
    while more:
        found, more = await rig.deliveries.page(endpoint, after=after, limit=2, ascending=ascending)
        pages.append([json.loads(delivery.body)["data"]["id"] for delivery in found])
        after = found[-1].id

    oldest_first = [f"video_{number}" for number in range(5)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [job for page in pages for job in page] == (oldest_first if ascending else oldest_first[::-1])
