"""Searching the log, and exporting it."""

import csv
import json
import random

import pytest
from sqlalchemy import delete, insert, update

from sora2api.errors import NotFound
from sora2api.observe.export import exported
from sora2api.observe.reader import Filters, LogReader
from sora2api.observe.tail import Tail
from sora2api.store import keyset
from sora2api.store.tables import requests

COUNT = 300


def row(number: int) -> dict[str, object]:
    made = number % 3 == 0
    return {
        "id": f"req_{random.getrandbits(64):016x}",
        "at": float(number // 2),  # two at a time: pages must not lose one of them
        "key_id": f"key_{number % 4}",
        "address": "192.0.2.1",
        "method": "POST" if made else "GET",
        "path": "/v1/videos" if made else f"/v1/videos/video_{number}",
        "status": 429 if number % 10 == 0 else 200,
        "code": "rate_limited" if number % 10 == 0 else None,
        "job_id": f"video_{number}" if made else None,
        "mode": "video" if made else None,
        "model": f"model-{number % 2}" if made else None,
        "account": f"account-{number % 5}" if made else None,
        "prompt": f"a Heron, number {number}" if made else None,
    }


@pytest.fixture
async def written(database):
    rows = [row(number) for number in range(COUNT)]
    await database.write(lambda connection: connection.execute(insert(requests), rows))
    return sorted(rows, key=lambda each: (each["at"], each["id"]), reverse=True)


async def found(database, filters: Filters, *, limit: int = 7) -> list[str]:
    """The ids of all pages."""
    reader, ids, last = LogReader(database), [], None
    while True:
        page = await reader.page(filters, after=last, limit=limit)
        assert len(page.entries) <= limit
        ids += [entry.id for entry in page.entries]
        last = page.last
        if last is None:
            return ids


FILTERS = [
    ({}, bool),
    ({"key_id": "key_1"}, lambda each: each["key_id"] == "key_1"),
    ({"status": 200}, lambda each: each["status"] == 200),
    ({"status": 429}, lambda each: each["status"] == 429),
    ({"code": "rate_limited"}, lambda each: each["code"] == "rate_limited"),
    ({"mode": "video"}, lambda each: each["mode"] == "video"),
    ({"model": "model-1"}, lambda each: each["model"] == "model-1"),
    ({"account": "account-2"}, lambda each: each["account"] == "account-2"),
    ({"job_id": "video_33"}, lambda each: each["job_id"] == "video_33"),
    ({"path": "/v1/videos/"}, lambda each: each["path"].startswith("/v1/videos/")),
    ({"since": 40.0, "until": 60.0}, lambda each: 40 <= each["at"] < 60),
    ({"text": "hERON"}, lambda each: each["prompt"] is not None),
    ({"text": "number 9"}, lambda each: "number 9" in (each["prompt"] or "")),
    ({"text": "100%"}, lambda each: "100%" in (each["prompt"] or "")),
    (
        {"key_id": "key_0", "code": "rate_limited", "text": "heron", "until": 100.0},
        lambda each: each["key_id"] == "key_0" and each["code"] and each["prompt"] and each["at"] < 100,
    ),
]


@pytest.mark.parametrize(("filters", "meets"), FILTERS, ids=[str(filters) for filters, _ in FILTERS])
async def test_pages_have_each_request_that_is_wanted_once_the_newest_first(database, written, filters, meets):
    assert await found(database, Filters(**filters)) == [each["id"] for each in written if meets(each)]


@pytest.mark.parametrize(("filters", "meets"), FILTERS, ids=[str(filters) for filters, _ in FILTERS])
async def test_what_comes_is_held_to_the_same_filters(database, filters, meets):
    rows = [row(number) for number in range(COUNT)]
    tail = Tail(database, Filters(**filters))
    await tail.begin()
    await database.write(lambda connection: connection.execute(insert(requests), rows))

    assert [entry.id for entry in await tail.more()] == [each["id"] for each in rows if meets(each)]


async def ended(database, number: int, **outcome: str) -> None:
    """The end of a job comes to be known to the request that made it."""
    stored = update(requests).where(requests.c.job_id == f"video_{number}").values(stored=3.0, **outcome)
    await database.write(lambda connection: connection.execute(stored))


@pytest.mark.parametrize("begun", ["before", "behind"])
async def test_a_request_that_is_wanted_for_the_end_of_its_job_is_told_then_and_once(database, begun):
    tail = Tail(database, Filters(account="the box"))
    rows = [row(number) | {"account": None} for number in (3, 6)]
    if begun == "behind":
        await tail.begin()
    await database.write(lambda connection: connection.execute(insert(requests), rows))
    if begun == "before":
        await tail.begin()

    told = [await tail.more()]
    await ended(database, 3, account="the box")
    await ended(database, 6, account="another")
    told += [await tail.more(), await tail.more()]

    assert [[entry.job_id for entry in entries] for entries in told] == [[], ["video_3"], []]


async def test_a_search_that_no_index_answers_looks_at_so_many_rows_a_page_and_goes_on(database, written, monkeypatch):
    monkeypatch.setattr(keyset, "STEPS", (20, 30))
    page = await LogReader(database).page(Filters(text="number 0"), limit=10)

    assert page.entries == []
    assert page.last is not None
    assert await found(database, Filters(text="number 0")) == [
        each["id"] for each in written if "number 0" in (each["prompt"] or "")
    ]


async def test_a_request_that_is_not_there_is_said(database):
    with pytest.raises(NotFound):
        await LogReader(database).get("req_nothing")


async def lines(database, form) -> list[str]:
    return [line async for line in exported(LogReader(database).all(Filters()), form)]


async def test_json_lines_have_each_request_whole(database, written):
    read = [json.loads(line) for line in await lines(database, "jsonl")]

    assert [each["id"] for each in read] == [each["id"] for each in written]
    assert read[0] | written[0] == read[0]


async def test_csv_has_a_line_for_each_request(database, written):
    read = list(csv.DictReader(await lines(database, "csv")))

    assert [each["id"] for each in read] == [each["id"] for each in written]
    assert {each["prompt"] for each in read} == {each["prompt"] or "" for each in written}


@pytest.mark.parametrize("prompt", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
async def test_csv_holds_no_formula(database, prompt):
    await database.write(lambda connection: connection.execute(insert(requests), [row(0) | {"prompt": prompt}]))

    (read,) = csv.DictReader(await lines(database, "csv"))

    assert read["prompt"] == f"'{prompt}"


async def test_what_is_written_is_told_once_though_all_before_it_is_removed(database):
    tail, told = Tail(database, Filters()), []

    async def write(*numbers: int) -> None:
        rows = [row(number) | {"id": f"req_{number:04}"} for number in numbers]
        await database.write(lambda connection: connection.execute(insert(requests), rows))

    async def hear() -> None:
        told.extend(entry.id for entry in await tail.more())

    await write(1, 3)
    await tail.begin()
    await write(4, 2)  # the latter took longer
    await hear()
    await database.write(lambda connection: connection.execute(delete(requests)))
    await hear()
    await write(5)  # as the first row again
    await hear()
    await write(6, 7, 8, 9)
    await hear()
    await hear()

    assert told == [f"req_{number:04}" for number in (4, 2, 5, 6, 7, 8, 9)]
