"""Speaks to the service manager that started the server: systemd's notification protocol, sd_notify(3).

Each message is a datagram of `NAME=VALUE` lines to the socket that `NOTIFY_SOCKET` names. Where there is none, nothing
is sent.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

_STATUS_EVERY: Final = 10.0
_MORE_TIME: Final = 60
"""Seconds that are asked for again and again while something long goes on."""
_MICRO: Final = 1_000_000

log = logging.getLogger(__name__)


class ServiceManager:
    """What is told to the manager that *environment* names. Made in the process that the manager started."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        named = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{named[1:]}" if named.startswith("@") else named
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog = int(environment.get("WATCHDOG_USEC", 0)) / _MICRO if meant else 0.0

    def tell(self, **said: str | int) -> None:
        """Send *said*. A manager that does not listen is a line in the log, and never the end of a server."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in said.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("service manager not told", extra={"said": " ".join(said), "error": str(error)})

    def reloading(self) -> None:
        """Say that a reload begins; READY=1 says that it is over."""
        self.tell(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)

    def stopping(self, *, within: float) -> None:
        """Say that the server stops, and have the manager wait as long as open replies may take, and a while."""
        self.tell(STOPPING=1, EXTEND_TIMEOUT_USEC=round((within + _MORE_TIME) * _MICRO))

    @asynccontextmanager
    async def given_time(self) -> AsyncIterator[None]:
        """Have the manager wait for what goes on meanwhile, however long it takes."""

        async def ask() -> None:
            while True:
                self.tell(EXTEND_TIMEOUT_USEC=_MORE_TIME * _MICRO)
                await asyncio.sleep(_MORE_TIME / 4)

        async with meanwhile(ask):
            yield

    @asynccontextmanager
    async def watched(self, status: Callable[[], str]) -> AsyncIterator[None]:
        """Tell the *status* now and then, and twice in the watchdog's time that the event loop turns."""
        alive: dict[str, int] = {"WATCHDOG": 1} if self._watchdog else {}
        every = min(self._watchdog / 2 or _STATUS_EVERY, _STATUS_EVERY)

        async def attend() -> None:
            while True:
                self.tell(**alive, STATUS=status())
                await asyncio.sleep(every)

        async with meanwhile(attend):
            yield


@asynccontextmanager
async def meanwhile(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Have *work*, which has no end, go on beside what is done in this context."""
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
