import asyncio
import importlib
import inspect
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sora2api import errors
from sora2api.errors import InvalidImage, InvalidVideo, ModelNotFound, RateLimited, Sora2ApiError, WorkerDied
from sora2api.media import clips, pictures, workshop
from sora2api.media.workshop import Workshop


@pytest.fixture
def chores(monkeypatch):
    """A module that workers can import too: they are given our search path."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("chores")


@pytest.fixture
async def shop():
    shop = Workshop(workers=2)
    yield shop
    await shop.close()


def parent(folder):
    """A program with a worker in the middle of its work; it prints the ids of its children and waits."""
    (folder / "parent.py").write_text(
        "import asyncio, os, sys, time\n"
        "from sora2api.media.workshop import Workshop\n"
        "async def main():\n"
        "    shop = Workshop(workers=2)\n"
        "    print(await shop.run(os.getpid), flush=True)\n"
        "    asyncio.create_task(shop.run(time.sleep, 600))\n"
        "    print(await shop.run(os.getpid), flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    return subprocess.Popen(
        [sys.executable, str(folder / "parent.py")], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def group(leader):
    """The ids of all processes that run in the process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[2]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def gone(leader, *, within):
    deadline = time.monotonic() + within
    while group(leader) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not group(leader)


async def test_work_is_done_in_another_process_that_is_kept(shop):
    pids = [await shop.run(os.getpid) for _ in range(3)]

    assert os.getpid() not in pids
    assert len(set(pids)) == 1


async def test_two_calls_run_side_by_side_and_a_third_waits(shop, chores):
    pids = await asyncio.gather(*(shop.run(chores.pid_after, 0.3) for _ in range(5)))

    assert len(set(pids)) == 2


async def test_arguments_and_results_cross_over(shop, chores):
    assert await shop.run(chores.add, [1], second=[2]) == [1, 2]


@pytest.mark.parametrize(("function", "expected"), [(pictures.probe, InvalidImage), (clips.probe, InvalidVideo)])
async def test_an_error_comes_back_as_it_was_raised(shop, tmp_path, function, expected):
    (tmp_path / "text").write_text("only words")

    with pytest.raises(expected, match="known format"):
        await shop.run(function, tmp_path / "text")


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("Slower, please.", retry_after=7.5),
        InvalidImage("Torn.", param="messages[0].content[1]"),
        ModelNotFound("No such model."),
        ModelNotFound(param=None),
    ],
)
async def test_an_error_keeps_its_words_and_what_it_carries(shop, error, chores):
    with pytest.raises(type(error)) as caught:
        await shop.run(chores.fail, error)

    assert vars(caught.value) == vars(error)
    assert str(caught.value) == str(error)


async def test_every_error_of_ours_can_cross_over(shop, chores):
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Sora2ApiError)]
    assert len(kinds) > 40
    for kind in kinds:
        with pytest.raises(Sora2ApiError) as caught:
            await shop.run(chores.fail, kind())
        assert (type(caught.value), caught.value.message) == (kind, kind().message)


async def test_a_call_whose_worker_dies_is_made_once_more(shop, tmp_path, chores):
    assert await shop.run(chores.die_once, tmp_path / "mark") == "alive"
    assert await shop.run(os.getpid) != os.getpid()


async def test_a_call_that_kills_each_worker_fails_and_takes_no_other_with_it(shop, chores):
    outcomes = await asyncio.gather(
        shop.run(chores.pid_after, 0.3),
        shop.run(os._exit, 3),
        *(shop.run(os.getpid) for _ in range(4)),
        return_exceptions=True,
    )

    assert isinstance(outcomes.pop(1), WorkerDied)
    assert all(isinstance(outcome, int) for outcome in outcomes)


async def test_a_worker_that_died_while_it_was_idle_is_replaced(shop):
    pid = await shop.run(os.getpid)
    os.kill(pid, signal.SIGKILL)

    assert await shop.run(os.getpid) != pid
    assert await shop.run(os.getpid) == await shop.run(os.getpid)


async def test_a_cancelled_caller_is_free_at_once_and_the_pool_goes_on(shop, chores):
    pid = await shop.run(os.getpid)
    sleepers = [asyncio.create_task(shop.run(time.sleep, 0.5)) for _ in range(4)]
    await asyncio.sleep(0.1)

    begin = time.monotonic()
    for sleeper in sleepers:
        sleeper.cancel()
    assert all(
        isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*sleepers, return_exceptions=True)
    )
    assert time.monotonic() - begin < 0.3

    pids = {await shop.run(os.getpid) for _ in range(4)}
    assert pid in await asyncio.gather(*(shop.run(chores.pid_after, 0.2) for _ in range(2)))
    assert len(pids) <= 2


async def test_workers_take_no_notice_of_the_signals_that_end_their_parent(shop, chores):
    pid = await shop.run(os.getpid)
    work = asyncio.create_task(shop.run(chores.pid_after, 0.4))
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)

    assert await work == pid


async def test_after_many_calls_fresh_workers_take_over(monkeypatch):
    monkeypatch.setattr(workshop, "CALLS_A_POOL", 5)
    shop = Workshop(workers=1)

    pids = [await shop.run(os.getpid) for _ in range(12)]
    await shop.close()

    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [5, 5, 2]


async def test_closing_ends_the_workers_at_once_and_cancels_what_they_do(shop):
    pid = await shop.run(os.getpid)
    work = [asyncio.create_task(shop.run(time.sleep, 600)) for _ in range(3)]
    await asyncio.sleep(0.5)

    begin = time.monotonic()
    await shop.close()
    assert time.monotonic() - begin < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    ends = await asyncio.gather(*work, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 3
    with pytest.raises(RuntimeError, match="closed"):
        await shop.run(os.getpid)


async def test_a_workshop_that_was_never_used_starts_and_closes_without_a_process():
    shop = Workshop()

    assert not shop._pools
    await shop.close()


async def test_the_event_loop_goes_on_while_workers_start_and_work(shop, chores):
    gaps, last, work = [], time.monotonic(), asyncio.create_task(shop.run(chores.pid_after, 0.2))
    while not work.done():
        await asyncio.sleep(0.005)
        gaps.append(time.monotonic() - last)
        last = time.monotonic()

    assert len(gaps) > 10


async def test_workers_import_no_more_than_their_work_needs(shop, chores):
    loaded = set(await shop.run(chores.loaded))

    assert "sora2api.media.worker" in loaded
    assert not loaded & {"aiohttp", "asyncio", "sqlalchemy", "PIL", "av", "sora2api.media.workshop"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_parent(tmp_path, number):
    process = parent(tmp_path)
    with process:
        workers = {int(process.stdout.readline()) for _ in range(2)}
        assert workers < set(group(process.pid))

        process.send_signal(number)
        process.wait(10)

        assert gone(process.pid, within=20)


def test_a_signal_to_the_whole_group_ends_all_of_it(tmp_path):
    process = parent(tmp_path)
    with process:
        for _ in range(2):
            process.stdout.readline()

        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)

        assert gone(process.pid, within=20)
