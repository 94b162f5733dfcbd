"""Real proxies in the tests' own process, and the sandbox as an engine."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pproxy
import pytest
from running import Running


class Far(pproxy.server.ProxyDirect):
    """The way out of a proxy that alone knows the names which end in `.test`: they are all on this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []
        self.said = bytearray()
        self.heard = bytearray()

    async def open_connection(self, host, port, local_addr, lbind, **options):
        self.asked.append((host, port))
        here = "127.0.0.1" if host.endswith(".test") else host
        reader, writer = await super().open_connection(here, port, None, lbind, **options)
        write, feed = writer.write, reader.feed_data

        def heard(data: bytes) -> None:
            self.heard += data
            feed(data)

        def said(data: bytes) -> None:
            self.said += data
            write(data)

        writer.write, reader.feed_data = said, heard
        return reader, writer


class Proxy:
    """A real proxy that can be stopped, and started again at its port.

    *asked* are the hosts and ports that it was asked for, *said* is what went to them, *heard* what came back.
    """

    def __init__(self, protocol: str, credentials: str = "", *, listening: socket.socket | None = None) -> None:
        self._protocol = protocol
        self._credentials = credentials
        self._listening = listening
        self._way = Far()
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def asked(self) -> list[tuple[str, int]]:
        return self._way.asked

    @property
    def said(self) -> bytes:
        return bytes(self._way.said)

    @property
    def heard(self) -> bytes:
        return bytes(self._way.heard)

    def url(self, scheme: str | None = None) -> str:
        given = f"{self._credentials}@" if self._credentials else ""
        return f"{scheme or self._protocol}://{given}127.0.0.1:{self.port}"

    async def start(self) -> None:
        uri = f"{self._protocol}://127.0.0.1:0/" + (f"#{self._credentials}" if self._credentials else "")
        # Without an authtime it would trust an address for a month once it has shown the credentials.
        options: dict[str, Any] = {"rserver": [self._way], "authtime": -1}
        made = pproxy.Server(uri)
        serve = partial(pproxy.server.stream_handler, **vars(made), **options)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer)
            await serve(reader, writer)

        if self._listening is not None:
            self._server = await asyncio.start_server(handle, sock=self._listening)
        else:
            self._server = await asyncio.start_server(handle, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Die: stop listening, and break off all that is under way."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._connections:
            writer.transport.abort()
        self._connections.clear()


StartProxy = Callable[..., Awaitable[Proxy]]


@pytest.fixture
async def start_proxy() -> AsyncIterator[StartProxy]:
    """Run a proxy with a *protocol* and credentials ("user:password", or none)."""
    proxies: list[Proxy] = []

    async def started(protocol: str, credentials: str = "", **options: Any) -> Proxy:
        proxy = Proxy(protocol, credentials, **options)
        await proxy.start()
        proxies.append(proxy)
        return proxy

    yield started
    for proxy in proxies:
        proxy.stop()


@pytest.fixture
def sandbox(tmp_path) -> Iterator[Running]:
    with Running("sandbox", tmp_path / "engine", "--delay", "1") as running:
        yield running
