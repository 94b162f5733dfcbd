"""A submit whose answer was lost is found, or known not to be there, or said to be unknown; never guessed."""

import time
from datetime import UTC, datetime

import pytest

from sora2api.drivers import Seen, TaskState
from sora2api.errors import SubmitUnknown
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.lost import LostSubmits
from sora2api.jobs.records import Parameters, TaskRecord
from sora2api.notify import Deliveries
from sora2api.notify.endpoints import Endpoints
from sora2api.notify.signing import Signer


def ledger_of(accounts) -> Ledger:
    endpoints = Endpoints(accounts.database, Signer(accounts.vault))
    return Ledger(accounts.database, Deliveries(accounts.database, endpoints))


def listed(
    name: str, *, prompt: str = "a cat", size: str = "1280x720", seconds: float = 8, after: float = 1.0
) -> TaskState:
    seen = Seen(created_at=datetime.fromtimestamp(time.time() + after, UTC), prompt=prompt, size=size, seconds=seconds)
    return TaskState(id=name, status="in_progress", seen=seen)


@pytest.fixture
async def sent(accounts):
    """Sends tasks of which no answer came."""
    account = await accounts.add("box")
    ledger = ledger_of(accounts)
    lost = LostSubmits(accounts.book, accounts.engines, ledger, interval=0.01)

    async def send(name: str, *, beside: str = "same") -> TaskRecord:
        task = TaskRecord(
            id=name,
            job_id=f"job of {name}",
            step="video",
            attempt=1,
            account_id=account.id,
            slot="video",
            make="clip",
            model="wan",
            parameters=Parameters(prompt="a cat", size="1280x720", seconds=8, source=None, beside=beside),
            intended_at=time.time(),
        )
        await ledger.intend(task)
        return task

    return lost, send


async def test_the_engines_task_is_found_and_written_down(accounts, sent):
    lost, send = sent
    task = await send("one")
    accounts.kind.listed = (listed("x", prompt="a dog"), listed("video_1"), listed("y", size="720x1280"))
    assert (await lost.settle(task)).id == "video_1"
    assert task.engine_task == "video_1"


async def test_one_that_is_not_there_in_two_looks_was_not_taken(accounts, sent):
    lost, send = sent
    accounts.kind.listed = (listed("old", after=-60), listed("other", seconds=4))
    assert await lost.settle(await send("one")) is None


async def test_as_many_tasks_as_submits_are_given_one_each(accounts, sent):
    lost, send = sent
    tasks = [await send(name) for name in ("one", "two", "three")]
    accounts.kind.listed = (listed("a", after=1), listed("b", after=2), listed("c", after=3))
    found = [await lost.settle(task) for task in tasks]
    assert sorted(state.id for state in found) == ["a", "b", "c"]


async def test_fewer_tasks_than_submits_leave_the_others_not_taken(accounts, sent):
    lost, send = sent
    tasks = [await send(name) for name in ("one", "two")]
    accounts.kind.listed = (listed("a"),)
    found = [await lost.settle(task) for task in tasks]
    assert [state and state.id for state in found] == ["a", None]


async def test_more_tasks_than_submits_are_nobodys(accounts, sent):
    lost, send = sent
    accounts.kind.listed = (listed("a"), listed("b"))
    with pytest.raises(SubmitUnknown):
        await lost.settle(await send("one"))


async def test_tasks_that_differ_in_what_the_list_does_not_show_are_not_taken_for_one_another(accounts, sent):
    lost, send = sent
    task = await send("one picture", beside="picture 1")
    await send("another picture", beside="picture 2")
    accounts.kind.listed = (listed("a"), listed("b"))
    with pytest.raises(SubmitUnknown):
        await lost.settle(task)


async def test_a_length_that_the_engine_rounded_up_is_recognised(accounts, sent):
    lost, send = sent
    accounts.kind.listed = (listed("rounded", seconds=8.9),)
    assert (await lost.settle(await send("one"))).id == "rounded"


async def test_a_task_that_has_ended_meanwhile_is_not_looked_for(accounts, sent):
    lost, send = sent
    task = await send("one")
    task.ended_at = time.time()
    await ledger_of(accounts).note(task)
    accounts.kind.listed = (listed("a"),)
    assert await lost.settle(task) is None
