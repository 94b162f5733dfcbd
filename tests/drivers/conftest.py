"""The sandbox as a process of its own, and fake servers that reproduce what engines are documented to do."""

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from sora2api.drivers import Account
from sora2api.drivers.openai import OpenAIDriver
from sora2api.egress import Client, Fixed, GuardedFetch, Sessions

Serve = Callable[[web.Application], Awaitable[str]]
Connect = Callable[..., OpenAIDriver]


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "sora2api", "sandbox", "--port", "0", "--json", "--delay", "0"]
    with subprocess.Popen([*command, "--data-dir", str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield orjson.loads(line)["url"]
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    sessions = Sessions()
    yield sessions
    await sessions.close()


@pytest.fixture
def connect(sessions: Sessions) -> Connect:
    """Make a driver for the engine at a URL."""

    def made(url: str, *, token: str = "sk-sandbox", **settings: Any) -> OpenAIDriver:
        client = Client(sessions, base_url=url, access=Fixed(token), fetch=GuardedFetch())
        return OpenAIDriver(Account(id="a1", name="one", base_url=url, settings=settings), client)

    return made


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Run an application on a free port, and return its URL."""
    async with AsyncExitStack() as stack:

        async def started(app: web.Application) -> str:
            return await stack.enter_async_context(_served(app))

        yield started


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site.port}"
    finally:
        await runner.cleanup()
