"""Work that goes on beside the rest, whatever goes wrong in it."""

import asyncio

import pytest

from sora2api import supervision
from sora2api.supervision import failure_of, keep_at


class Unforeseen(BaseException):
    """Nothing that anybody catches by name."""


@pytest.mark.parametrize("error", [ValueError("broken"), Unforeseen(), asyncio.CancelledError()], ids=repr)
async def test_what_work_failed_with_is_given_not_raised(error):
    async def work() -> None:
        raise error

    assert type(await failure_of(work())) is type(error)


async def test_work_that_does_not_fail_has_no_failure():
    assert await failure_of(asyncio.sleep(0)) is None


async def test_whoever_is_cancelled_leaves_no_work_behind():
    left = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            left.set()

    caller = asyncio.create_task(failure_of(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait((caller,))

    assert caller.cancelled()
    assert left.is_set()


async def test_work_that_breaks_off_is_begun_anew_and_that_is_said(caplog, monkeypatch):
    monkeypatch.setattr(supervision, "_PAUSE", 0)
    begun = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 3:
            third.set()
            await asyncio.Event().wait()
        raise RuntimeError("unforeseen")

    keeping = asyncio.create_task(keep_at(work, name="watching"))
    await third.wait()
    keeping.cancel()
    await asyncio.wait((keeping,))

    said = [(record.getMessage(), record.work, str(record.exc_info[1])) for record in caplog.records]
    assert said == [("broken off", "watching", "unforeseen")] * 2
