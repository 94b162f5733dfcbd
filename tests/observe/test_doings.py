"""What accounts did of late, by their tasks: what counts, what does not, and what is under way."""

import time

import msgspec
from sqlalchemy import insert

from sora2api.modes import Failure
from sora2api.observe.doings import Doings, Score
from sora2api.store.tables import accounts, tasks

ACCOUNT = {
    "driver": "openai",
    "base_url": "http://127.0.0.1:9/v1",
    "image_slots": 2,
    "video_slots": 2,
    "weight": 1.0,
    "remake_lost": False,
    "settings": b"{}",
    "sandbox": False,
    "enabled": True,
    "models": b"[]",
    "created_at": 1.0,
}
NOW = time.time()
DAY = 86400.0


def failure(code: str) -> bytes:
    return msgspec.json.encode(Failure(code=code, message=f"It was {code}."))


def task(number: int, account: str, **times) -> dict:
    return {
        "id": f"task_{number}",
        "job_id": f"job_{number}",
        "step": "clip",
        "attempt": 1,
        "account_id": account,
        "slot": "video",
        "make": "clip",
        "model": "sora-2",
        "parameters": b"{}",
        "engine_task": None,
        "intended_at": NOW - 100,
        "ended_at": None,
        "error": None,
    } | times


async def made(database, *rows) -> Doings:
    async def write(connection):
        for name in ("busy", "idle"):
            await connection.execute(insert(accounts).values(id=name, name=name, **ACCOUNT))
        for row in rows:
            await connection.execute(insert(tasks).values(**row))

    await database.write(write)
    return Doings(database)


async def test_tasks_of_the_window_are_counted_and_what_is_nobodys_fault_is_not(database):
    doings = await made(
        database,
        task(1, "busy", ended_at=NOW - 1),
        task(2, "busy", ended_at=NOW - 2),
        task(3, "busy", ended_at=NOW - 3, error=failure("engine_fault")),
        task(4, "busy", ended_at=NOW - 4, error=failure("moderation_blocked")),
        task(5, "busy", ended_at=NOW - 5, error=failure("cancelled")),
        task(6, "busy", ended_at=NOW - 2 * DAY, error=failure("engine_fault")),
        task(7, "busy"),
    )

    scores = await doings.scores()

    assert scores == {"busy": Score(done=2, failed=1, used_at=NOW - 1)}
    assert scores["busy"].rate == 2 / 3
    assert Score().rate is None


async def test_what_ends_later_is_added_and_what_is_long_ago_goes(database, monkeypatch):
    now = time.time()
    doings = await made(database, task(1, "busy", ended_at=now - 100), task(2, "idle", ended_at=now - 3 * DAY))
    first = await doings.scores()
    await database.write(lambda connection: connection.execute(insert(tasks).values(**task(3, "busy", ended_at=now))))
    second = await doings.scores()
    monkeypatch.setattr(time, "time", lambda: now + 2 * DAY)
    third = await doings.scores()

    assert first == {"busy": Score(done=1, used_at=now - 100), "idle": Score(used_at=now - 3 * DAY)}
    assert second == await doings.scores() | {"busy": Score(done=2, used_at=now)}
    assert third == {"busy": Score(used_at=now), "idle": Score(used_at=now - 3 * DAY)}


async def test_the_last_failures_are_told_the_newest_first(database):
    doings = await made(
        database,
        task(1, "busy", ended_at=NOW - 9, error=failure("engine_fault")),
        task(2, "busy", ended_at=NOW - 1, error=failure("moderation_blocked")),
        task(3, "busy", ended_at=NOW),
        task(4, "idle", ended_at=NOW, error=failure("engine_fault")),
    )

    mishaps = await doings.mishaps("busy")

    assert [(each.job_id, each.code, each.excused) for each in mishaps] == [
        ("job_2", "moderation_blocked", True),
        ("job_1", "engine_fault", False),
    ]
    assert mishaps[1].message == "It was engine_fault."


async def test_what_is_under_way_is_told_the_oldest_first(database):
    doings = await made(
        database,
        task(1, "busy", intended_at=NOW - 5),
        task(2, "busy", intended_at=NOW - 50, engine_task="t-2"),
        task(3, "busy", ended_at=NOW),
        task(4, "idle"),
    )

    now = await doings.now("busy")

    assert [(each.job_id, each.taken) for each in now] == [("job_2", True), ("job_1", False)]
