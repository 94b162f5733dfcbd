"""Real servers and real proxies on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pproxy
import pytest
from aiohttp import web

from sora2api.egress import Sessions


class Target:
    """A server that notes what it is asked, and answers as its *handler* says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[web.Request] = []

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _hello(request: web.Request) -> web.Response:
    return web.json_response({"path": request.rel_url.raw_path, "host": request.host})


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Target]]]:
    async with AsyncExitStack() as stack:

        async def started(handler: Handler = _hello) -> Target:
            target = Target("")

            async def note(request: web.Request) -> web.StreamResponse:
                target.requests.append(request)
                return await handler(request)

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", note)
            runner = web.AppRunner(app, shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            target.url = f"http://127.0.0.1:{site.port}"
            return target

        yield started


@pytest.fixture
async def listen() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Run a bare TCP server, and return its port."""
    async with AsyncExitStack() as stack:

        async def started(handler, **options) -> int:
            async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await handler(reader, writer)
                writer.close()

            server = await asyncio.start_server(closing, "127.0.0.1", 0, **options)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
            return server.sockets[0].getsockname()[1]

        yield started


class Proxy:
    """A real proxy, and what it was asked to connect to."""

    def __init__(self, port: int, asked: list[str]) -> None:
        self.port = port
        self.asked = asked


@pytest.fixture
async def start_proxy() -> AsyncIterator[Callable[..., Awaitable[Proxy]]]:
    """Run pproxy with a *protocol* and credentials ("user:password", or none)."""
    async with AsyncExitStack() as stack:

        async def started(protocol: str, credentials: str = "") -> Proxy:
            asked: list[str] = []
            uri = f"{protocol}://127.0.0.1:0/" + (f"#{credentials}" if credentials else "")
            # Without an authtime it would trust an address for a month once it has shown the credentials.
            options = {"rserver": [pproxy.Connection("direct://")], "verbose": asked.append, "authtime": -1}
            server = await pproxy.Server(uri).start_server(options)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
            return Proxy(server.sockets[0].getsockname()[1], asked)

        yield started


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    sessions = Sessions()
    yield sessions
    await sessions.close()
