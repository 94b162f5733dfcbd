"""Tasks are followed at real engines: all are found, none is forgotten, and no engine is asked more than it must be."""

import asyncio
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import httpx2
import pytest
from running import Running

from sora2api.accounts import AccountBook, Engines, ProxyBook
from sora2api.drivers import TaskState
from sora2api.drivers.openai import OpenAIDriver
from sora2api.egress import GuardedFetch, Sessions
from sora2api.jobs.poller import Pollers
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets

HEADERS = {"Authorization": "Bearer sk-sandbox"}
WITHOUT_LIST = ("--without", "list")


class Box(Running):
    """A sandbox of which the test asks for tasks by itself."""

    def create(self, count: int) -> list[str]:
        body = {"prompt": "a pier", "size": "64x64", "seconds": "1"}
        with httpx2.Client(base_url=self.url, headers=HEADERS, timeout=30) as client:
            return [client.post("/v1/videos", json=body).raise_for_status().json()["id"] for _ in range(count)]

    def asked(self) -> SimpleNamespace:
        """How often it was asked for one task, and for its list."""
        said = httpx2.get(f"{self.url}/_sandbox/stats", timeout=30).json()
        return SimpleNamespace(polls=said["polls"], lists=said["lists"], calls=said["polls"] + said["lists"])

    def misbehave(self, **fault: object) -> None:
        httpx2.post(f"{self.url}/_sandbox/faults", json=[fault], timeout=30).raise_for_status()


class Told(dict[str, list[TaskState]]):
    """What was told of each task, in order."""

    def __init__(self, tasks: list[str]) -> None:
        super().__init__({task: [] for task in tasks})
        self.news = asyncio.Event()

    def hear(self, state: TaskState) -> None:
        self[state.id].append(state)
        self.news.set()


@pytest.fixture
def box(tmp_path) -> Iterator[Callable[..., Box]]:
    started: list[Box] = []

    def start(*options: str) -> Box:
        started.append(Box("sandbox", tmp_path / f"box{len(started)}", *options))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
async def followed(tmp_path):
    """Has pollers follow tasks of a sandbox; each one's states as they are told, and the waits for their ends."""
    migrate(tmp_path)
    database, sessions = Database(tmp_path / FILE), Sessions()
    vault = Secrets.open(tmp_path)
    book = AccountBook(database, vault)
    engines = Engines(
        {"openai": OpenAIDriver}, sessions, book=book, proxies=ProxyBook(database, vault), fetch=GuardedFetch()
    )
    pollers = Pollers(book, engines, longest=0.2)
    waits: list[asyncio.Task[TaskState]] = []

    async def follow(box: Box, tasks: list[str], **account: object):
        made = await book.add(
            name=box.folder.name,
            driver="openai",
            base_url=box.url,
            token="sk-sandbox",
            image_slots=1,
            video_slots=10_000,
            settings={"dialect": "sandbox"},
            **account,
        )
        await book.note(made.id, models=tuple(await engines.driver(made).check()))
        told = Told(tasks)
        ends = {task: asyncio.create_task(pollers.follow(made.id, task, told.hear)) for task in tasks}
        waits.extend(ends.values())
        return told, ends

    yield follow
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await pollers.close()
    await sessions.close()
    await database.close()


async def _heard_of_all(told: Told, *tasks: str, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not all(told[task] for task in tasks or told):
            told.news.clear()
            await told.news.wait()


async def test_a_list_of_several_pages_tells_of_each_task(box, followed):
    engine = box("--delay", "600")
    told, _ = await followed(engine, await asyncio.to_thread(engine.create, 230))

    await _heard_of_all(told)

    asked = await asyncio.to_thread(engine.asked)
    assert (asked.polls, asked.lists % 3) == (0, 0)


@pytest.mark.slow
async def test_tasks_behind_many_newer_ones_of_others_are_found_without_asking_for_each(box, followed):
    engine = box("--delay", "600")
    ours = await asyncio.to_thread(engine.create, 3)
    await asyncio.to_thread(engine.create, 150)
    told, _ = await followed(engine, ours)

    await _heard_of_all(told)

    assert (await asyncio.to_thread(engine.asked)).polls == 0


async def test_many_tasks_cost_no_more_calls_than_few(box, followed):
    calls = []
    for count in (10, 450):
        engine = box("--delay", "600")
        told, ends = await followed(engine, await asyncio.to_thread(engine.create, count))
        await _heard_of_all(told)
        before = await asyncio.to_thread(engine.asked)
        await asyncio.sleep(3)
        calls.append((await asyncio.to_thread(engine.asked)).calls - before.calls)
        for end in ends.values():
            end.cancel()

    of_few, of_many = calls
    assert of_many <= of_few + 5  # the pages of a look that is under way when the time is over


async def test_a_task_that_is_missing_once_is_not_lost(box, followed):
    engine = box("--delay", "600", *WITHOUT_LIST)
    (task,) = await asyncio.to_thread(engine.create, 1)
    await asyncio.to_thread(engine.misbehave, path=f"/v1/videos/{task}", status=404, body={"error": {"message": "no"}})
    told, ends = await followed(engine, [task])

    await _heard_of_all(told)

    assert not ends[task].done()
    assert {state.status for state in told[task]} <= {"queued", "in_progress"}


async def test_a_task_that_is_missing_twice_is_lost(box, followed):
    engine = box("--delay", "600")
    kept, lost = await asyncio.to_thread(engine.create, 2)
    told, ends = await followed(engine, [kept, lost])
    httpx2.delete(f"{engine.url}/v1/videos/{lost}", headers=HEADERS, timeout=30).raise_for_status()

    assert (await asyncio.wait_for(ends[lost], 10)).status == "lost"
    await _heard_of_all(told)
    assert not ends[kept].done()


async def test_a_stuck_answer_about_one_task_keeps_no_other_waiting(box, followed):
    engine = box("--delay", "600", *WITHOUT_LIST)
    stuck, *others = await asyncio.to_thread(engine.create, 5)
    await asyncio.to_thread(engine.misbehave, path=f"/v1/videos/{stuck}", delay=15, times=100)
    told, _ = await followed(engine, [stuck, *others])

    await _heard_of_all(told, *others, within=12)  # the stuck answer takes 15
    counts = [len(told[task]) for task in others]
    await asyncio.sleep(1.5)

    assert all(len(told[task]) > count for task, count in zip(others, counts, strict=True))
    assert not told[stuck]


async def test_a_task_that_the_list_does_not_show_and_nobody_answers_for_keeps_no_other_waiting(box, followed):
    engine = box("--delay", "600")
    hidden, *others = await asyncio.to_thread(engine.create, 4)
    httpx2.delete(f"{engine.url}/v1/videos/{hidden}", headers=HEADERS, timeout=30).raise_for_status()
    await asyncio.to_thread(engine.misbehave, path=f"/v1/videos/{hidden}", status=500, body={"error": {}}, times=1000)
    told, ends = await followed(engine, [hidden, *others])

    await _heard_of_all(told, *others, within=20)

    assert not told[hidden]
    assert not ends[hidden].done()


async def test_an_engine_whose_list_is_gone_is_asked_after_each_task(box, followed):
    engine = box("--delay", "600")
    tasks = await asyncio.to_thread(engine.create, 20)
    await asyncio.to_thread(engine.misbehave, path="/v1/videos", status=404, body={"error": {}}, times=1000)
    told, _ = await followed(engine, tasks)

    await _heard_of_all(told)

    assert (await asyncio.to_thread(engine.asked)).lists == 0


async def test_an_account_is_never_asked_more_often_than_it_may_be(box, followed):
    engine = box("--delay", "600", *WITHOUT_LIST)
    tasks = await asyncio.to_thread(engine.create, 30)
    began = time.monotonic()
    told, _ = await followed(engine, tasks, calls_a_minute=600)

    await _heard_of_all(told)
    await asyncio.sleep(2)
    asked = await asyncio.to_thread(engine.asked)

    assert asked.polls <= (time.monotonic() - began) * 10 + 1
    heard = sorted(map(len, told.values()))
    assert heard[-1] - heard[0] <= 2  # who waits the longest goes first


async def test_the_ends_of_tasks_are_told(box, followed):
    engine = box("--delay", "1")
    tasks = await asyncio.to_thread(engine.create, 3)
    _, ends = await followed(engine, tasks)

    states = await asyncio.wait_for(asyncio.gather(*ends.values()), 30)

    assert [state.status for state in states] == ["completed"] * 3
