"""The sockets that the server listens on: those that it was started with (sd_listen_fds(3)), else one of its own."""

import asyncio
import os
import socket
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from sora2api.errors import Sora2ApiError

if TYPE_CHECKING:
    from aiohttp import web

_FIRST: Final = 3
_BACKLOG: Final = 4096
"""How many may wait to be answered, also while the server is started again: what systemd allows too."""
_PATIENCE: Final = 1.0


class UnfitSocket(Sora2ApiError):
    """A socket that the service manager passed is not one to listen on."""

    code = "unfit_socket"


def given(environment: MutableMapping[str, str] = os.environ) -> Sequence[socket.socket]:
    """The listening sockets passed to this process, TCP or unix; none where it was not started by one.

    They are taken once: what the *environment* says of them is removed, so that no child takes them for its own.
    """
    pid, count, names = (environment.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()):
        return ()
    named = names.split(":") if names else []
    descriptors = range(_FIRST, _FIRST + int(count))
    return [taken(number, *named[number - _FIRST : number - _FIRST + 1]) for number in descriptors]


def taken(descriptor: int, name: str = "unknown") -> socket.socket:
    """The socket behind a passed *descriptor*; one that cannot be listened on raises `UnfitSocket`."""
    try:
        os.set_inheritable(descriptor, False)
        found = socket.socket(fileno=descriptor)
        fit = found.type == socket.SOCK_STREAM and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise UnfitSocket(f"Descriptor {descriptor} ({name}) is no socket: {error}") from error
    if not fit:
        found.close()
        raise UnfitSocket(f"Descriptor {descriptor} ({name}) is no listening stream socket (Accept=no is needed).")
    return found


def hosts(sockets: Sequence[socket.socket]) -> Sequence[str]:
    """The addresses of *sockets*; of a unix socket its path, since whoever relays to it may be anywhere."""
    return [_host(each) for each in sockets]


def _host(listening: socket.socket) -> str:
    return str(listening.getsockname()[0] if listening.family != socket.AF_UNIX else f"unix:{_path(listening)}")


def _path(listening: socket.socket) -> str:
    name = listening.getsockname()
    return f"@{os.fsdecode(name[1:])}" if isinstance(name, bytes) else str(name)


def url(listening: socket.socket) -> str:
    """Where *listening* is reached, as a person would write it."""
    if listening.family == socket.AF_UNIX:
        return _host(listening)
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Newcomers:
    """The connections that have had no reply yet. Made before *runner* is set up."""

    def __init__(self, runner: "web.AppRunner") -> None:
        self._runner = runner
        self._answered: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._replied = asyncio.Event()
        runner.app.on_response_prepare.append(self._note)

    async def _note(self, request: "web.Request", _response: "web.StreamResponse") -> None:
        if request.transport is not None:
            self._answered.add(request.transport)
        self._replied.set()

    async def last(self) -> None:
        """Take no more, and let those have their reply that get it soon; who comes now waits for the next server."""
        for site in self._runner.sites:
            await site.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._unanswered():
                    self._replied.clear()
                    await self._replied.wait()

    def _unanswered(self) -> bool:
        server = self._runner.server
        there = server.connections if server is not None else ()
        return any(each.transport is not None and each.transport not in self._answered for each in there)


async def listen(runner: "web.AppRunner", sockets: Sequence[socket.socket], host: str, port: int) -> str:
    """Answer on *sockets*, else on *host* and *port*; the URL of the first."""
    from aiohttp import web

    for each in sockets:
        await web.SockSite(runner, each, backlog=_BACKLOG).start()
    if sockets:
        return min(map(url, sockets), key=lambda found: found.startswith("unix:"))
    site = web.TCPSite(runner, host, port)
    await site.start()
    return f"http://[{host}]:{site.port}" if ":" in host else f"http://{host}:{site.port}"
