"""What one task hands to another arrives once and in order, whenever either of them comes."""

import asyncio

import pytest

from sora2api.jobs.inbox import Bell, Inbox


async def test_what_was_put_before_and_during_the_wait_arrives_in_order() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.put(1)
    inbox.put(2)

    async def three() -> list[int]:
        return [await inbox.take() for _ in range(3)]

    taking = asyncio.create_task(three())
    await asyncio.wait((taking,), timeout=0)
    inbox.put(3)
    assert await taking == [1, 2, 3]


async def test_a_bell_rung_before_the_wait_is_heard_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    await bell.heard()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bell.heard(), 0.01)


async def test_what_comes_after_a_wait_was_given_up_is_kept_for_the_next() -> None:
    inbox: Inbox[str] = Inbox()
    given_up = asyncio.create_task(inbox.take())
    await asyncio.wait((given_up,), timeout=0)
    given_up.cancel()
    inbox.put("kept")
    await asyncio.wait((given_up,))
    assert await inbox.take() == "kept"
