"""A proxy that dies in mid-transfer: a download goes on where it broke, and a submit is never sent twice."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from rig import Rig

pytestmark = pytest.mark.slow

PATIENCE = 30
CONTENT = {"method": "GET", "path": "/v1/videos/*/content"}


@pytest.fixture
def rig(tmp_path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


async def _started(rig: Rig, *words: str, failure: str, **listed: str) -> None:
    """A server whose accounts say those *words*, with proxies *listed* by name."""

    def start() -> None:
        rig.start_sandbox("--delay", "0.2")
        for name, url in listed.items():
            rig.run("proxy", "add", name, url)
        for number, word in enumerate(words):
            rig.connect("--set", "dialect=sandbox", "--proxy", word, name=f"box{number}")
        rig.start_server("--poll-interval", "0.2", "--proxy-failure", failure)

    await asyncio.to_thread(start)


async def _until(holds) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


def _states(rig: Rig) -> dict[str, str]:
    return {name: set_aside or "ready" for name, set_aside in rig.rows("SELECT name, set_aside FROM accounts")}


async def test_a_download_goes_on_by_range_through_another_proxy(rig, start_proxy):
    one, two = await start_proxy("socks5", "me:secret"), await start_proxy("http")
    await _started(rig, "one", failure="move", one=one.url("socks5h"), two=two.url())
    rig.misbehave(**CONTENT, pause=30)
    job = await asyncio.to_thread(rig.ask, "a cat")
    await _until(lambda: b"/content" in one.said)
    await _until(lambda: re.search(rb"video/mp4.*?\r\n\r\n.", one.heard, re.DOTALL))  # half of it comes at once
    one.stop()

    assert (await asyncio.to_thread(rig.ended, job))["status"] == "completed"

    begun = re.search(rb"/content HTTP.*?Range: bytes=(\d+)-", two.said, re.DOTALL)
    assert begun is not None, (two.said, rig.log)
    assert int(begun[1]) > 0
    assert rig.creates() == 1
    assert rig.unsettled() is None
    assert "secret" not in rig.log


async def test_a_submit_whose_answer_died_with_the_proxy_is_found_and_never_sent_twice(rig, start_proxy):
    one = await start_proxy("socks5")
    await _started(rig, "one", failure="rest", one=one.url())
    rig.misbehave(method="POST", path="/v1/videos", pause=30)  # it is taken, and half of the answer sent
    job = await asyncio.to_thread(rig.ask, "a cat")
    await _until(lambda: rig.creates() == 1)
    one.stop()
    await _until(lambda: _states(rig) == {"box0": "proxy_fault"})
    await one.start()

    assert (await asyncio.to_thread(rig.ended, job))["status"] == "completed"

    assert one.said.count(b"POST /v1/videos") == rig.creates() == 1
    assert rig.unsettled() is None


async def test_only_the_accounts_of_a_failed_proxy_rest_and_its_jobs_wait_for_it(rig, start_proxy):
    one, two = await start_proxy("socks5"), await start_proxy("socks4")
    await _started(rig, "one", two.url(), failure="rest", one=one.url())
    one.stop()
    jobs = [await asyncio.to_thread(rig.ask, f"cat {number}") for number in range(4)]
    for job in jobs:
        assert (await asyncio.to_thread(rig.ended, job))["status"] == "completed"
    await _until(lambda: _states(rig) == {"box0": "proxy_fault", "box1": "ready"})

    two.stop()
    waiting = await asyncio.to_thread(rig.ask, "a dog")
    await _until(lambda: _states(rig) == {"box0": "proxy_fault", "box1": "proxy_fault"})
    await one.start()

    assert (await asyncio.to_thread(rig.ended, waiting))["status"] == "completed"
    assert rig.creates() == 5
    assert rig.unsettled() is None
