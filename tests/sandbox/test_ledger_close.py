"""The sandbox's ledger at its end."""

import asyncio

import pytest

from sora2api.sandbox.ledger import Ledger


@pytest.mark.parametrize("moments", range(6))
async def test_a_write_whose_caller_was_cancelled_is_written_before_the_end(tmp_path, moments):
    ledger = await Ledger.open(tmp_path / "sandbox.db")
    caller = asyncio.create_task(ledger.accept("task", "one", b"{}"))
    for _ in range(1 + moments):
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait((caller,))
    await ledger.close()

    again = await Ledger.open(tmp_path / "sandbox.db")
    assert list(await again.all("task")) == ["one"]
    await again.close()
