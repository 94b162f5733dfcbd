"""One aiohttp session a proxy, shared by all accounts on it and closed when it is no longer used."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import aiohttp
import orjson

from sora2api.egress.proxies import tunnel

KEPT: Final = 64
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
# uvicorn, which most engines run on, closes an idle connection after 5 s, and a POST that meets the closing one is a
# submit whose fate is not known.
KEEPALIVE: Final = 4.0


class Sessions:
    """The sessions by proxy URL (None: direct), each made when first asked for.

    Beyond *kept*, those least recently used are closed, but never one in `use`. Must be made and used in one loop.
    *watched*: what aiohttp tells of each call.
    """

    def __init__(self, *, kept: int = KEPT, watched: Sequence[aiohttp.TraceConfig] = ()) -> None:
        self._kept = kept
        self._watched = list(watched)
        self._sessions: OrderedDict[str | None, aiohttp.ClientSession] = OrderedDict()
        self._uses: dict[str | None, int] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def get(self, proxy: str | None) -> aiohttp.ClientSession:
        """Return the session of *proxy*, for a call made at once; a call that lasts belongs in `use`."""
        if proxy not in self._sessions:
            self._sessions[proxy] = _open(proxy, self._watched)
        self._sessions.move_to_end(proxy)
        self._close_surplus()
        return self._sessions[proxy]

    @contextmanager
    def use(self, proxy: str | None) -> Iterator[aiohttp.ClientSession]:
        """Hold the session of *proxy* open."""
        self._uses[proxy] = self._uses.get(proxy, 0) + 1
        try:
            yield self.get(proxy)
        finally:
            self._uses[proxy] -= 1
            if not self._uses[proxy]:
                del self._uses[proxy]

    async def close(self) -> None:
        for session in self._sessions.values():
            self._close(session)
        self._sessions.clear()
        await asyncio.gather(*self._closing)

    def __len__(self) -> int:
        return len(self._sessions)

    def _close_surplus(self) -> None:
        newest = next(reversed(self._sessions))
        idle = [proxy for proxy in self._sessions if proxy not in self._uses and proxy != newest]
        for proxy in idle[: max(0, len(self._sessions) - self._kept)]:
            self._close(self._sessions.pop(proxy))

    def _close(self, session: aiohttp.ClientSession) -> None:
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _open(proxy: str | None, watched: list[aiohttp.TraceConfig]) -> aiohttp.ClientSession:
    if proxy is None:
        connector: aiohttp.TCPConnector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE)
    else:
        connector = tunnel(proxy, limit=0, keepalive_timeout=KEEPALIVE)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "sora2api"},
        json_serialize_bytes=orjson.dumps,
        raise_for_status=False,
        trace_configs=watched,
    )
