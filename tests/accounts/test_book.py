"""What the book holds in memory is what its database has."""

import asyncio

from sora2api.accounts import AccountBook


async def test_memory_follows_a_write_whose_caller_was_cancelled(accounts):
    account = await accounts.add("box")
    for moment in range(6):
        writing = asyncio.create_task(accounts.book.note(account.id, checked_at=float(moment)))
        for _ in range(moment):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await accounts.book.note(account.id, rests_until=None)  # behind it in the queue of writes
        stored = AccountBook(accounts.database, accounts.vault)
        await stored.load()
        assert accounts.book.get(account.id) == stored.get(account.id)
