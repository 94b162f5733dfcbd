"""What is told of troubles that begin, go on, end and come back: each once."""

import asyncio
import time

import orjson
import pytest
from sqlalchemy import select

from sora2api.notify import Alerts, Deliveries, Endpoints, Signer, Trouble
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets
from sora2api.store.tables import webhook_deliveries

DISK = Trouble(kind="disk.low", subject="data directory", reason="disk_full")


class Rig:
    """A server's alerts, from one start to the next."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def start(self, *, url: str = "http://127.0.0.1:9/", **options: float) -> Alerts:
        deliveries = Deliveries(self.database, Endpoints(self.database, Signer(Secrets(b"k" * 32))))
        alerts = Alerts(self.database, deliveries, url=url, **options)
        await alerts.load()
        return alerts

    async def told(self) -> list[dict]:
        """The alerts that are in the table of deliveries."""
        query = select(webhook_deliveries.c.body).order_by(webhook_deliveries.c.created_at)
        async with self.database.reading() as connection:
            return [orjson.loads(body) for body in (await connection.execute(query)).scalars()]

    async def types(self) -> list[str]:
        return [event["type"] for event in await self.told()]


@pytest.fixture
async def rig(tmp_path):
    migrate(tmp_path)
    database = Database(tmp_path / FILE)
    yield Rig(database)
    await database.close()


def resting(seconds: float, *, since: float | None = None) -> Trouble:
    now = time.time()
    return Trouble(
        kind="account.set_aside", subject="wan", reason="engine_rate_limited", since=since or now, until=now + seconds
    )


async def test_a_beginning_and_an_end_are_told_once_each(rig, caplog):
    alerts = await rig.start()

    for troubles in ([DISK], [DISK], [], []):
        await alerts.look(troubles)

    begun, over = await rig.told()
    assert (begun["type"], over["type"]) == ("disk.low", "disk.ok")
    assert begun["object"] == over["object"] == "event"
    assert begun["data"].keys() == {"subject", "reason", "since"}
    assert over["data"] == begun["data"] | {"ended_at": over["data"]["ended_at"]}
    assert [record.message for record in caplog.records] == ["disk.low", "disk.ok"]
    assert caplog.records[0].subject == "data directory"


async def test_without_a_url_the_log_alone_is_told(rig, caplog):
    alerts = await rig.start(url="")

    await alerts.look([DISK])

    assert await rig.told() == []
    assert [record.message for record in caplog.records] == ["disk.low"]


async def test_a_rest_says_why_since_when_and_until_when(rig):
    alerts = await rig.start()
    rest = resting(3600, since=1_700_000_000)

    await alerts.look([rest])

    (told,) = await rig.told()
    assert told["data"] == {
        "subject": "wan",
        "reason": "engine_rate_limited",
        "since": 1_700_000_000,
        "until": int(rest.until),
    }


async def test_a_short_rest_is_not_told_and_neither_is_its_end(rig):
    alerts = await rig.start()

    for troubles in ([resting(5)], [resting(4)], []):
        await alerts.look(troubles)

    assert await rig.told() == []


async def test_short_rests_without_a_gap_are_told_when_they_have_gone_on_for_long(rig):
    alerts = await rig.start(short=0.2)

    await alerts.look([resting(0.1)])
    before = await rig.types()
    await asyncio.sleep(0.2)
    await alerts.look([resting(0.1)])

    assert (before, await rig.types()) == ([], ["account.set_aside"])


async def test_what_may_pass_is_told_when_it_has_lasted(rig):
    alerts = await rig.start()
    trouble = Trouble(kind="engine.none", subject="engines", reason="no_engine", patience=0.2)

    await alerts.look([trouble])
    before = await rig.types()
    await asyncio.sleep(0.2)
    await alerts.look([trouble])

    assert (before, await rig.types()) == ([], ["engine.none"])


async def test_one_that_comes_and_goes_is_told_no_more_often_than_it_may_be(rig):
    alerts = await rig.start(apart=600)

    for _ in range(50):
        await alerts.look([DISK])
        await alerts.look([])

    assert await rig.types() == ["disk.low", "disk.ok"]


async def test_one_that_came_back_too_soon_is_told_later_if_it_is_still_there(rig):
    alerts = await rig.start(apart=0.3)

    for troubles in ([DISK], [], [DISK]):
        await alerts.look(troubles)
    before = await rig.types()
    await asyncio.sleep(0.3)
    await alerts.look([DISK])

    assert before == ["disk.low", "disk.ok"]
    assert await rig.types() == ["disk.low", "disk.ok", "disk.low"]


async def test_subjects_do_not_keep_each_other_quiet(rig):
    alerts = await rig.start()
    proxies = [Trouble(kind="proxy.down", subject=name, reason="proxy_fault") for name in ("one", "two")]

    await alerts.look(proxies[:1])
    await alerts.look(proxies)

    assert [event["data"]["subject"] for event in await rig.told()] == ["one", "two"]


async def test_a_restart_tells_nothing_twice_and_misses_no_end(rig):
    await (await rig.start()).look([DISK])

    again = await rig.start()
    await again.look([DISK])
    await again.look([])

    assert await rig.types() == ["disk.low", "disk.ok"]
