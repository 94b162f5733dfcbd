"""GET /healthz (the process is alive) and GET /readyz (it can take work, or why not). Neither needs a key.

Everybody is told the state; reasons and facts are for those who watch over the server.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web

Check = Callable[[], Awaitable[str | None]]
"""Says in one sentence why no work can be taken; None: it can."""

Facts = Callable[[], Mapping[str, Any]]
Knows = Callable[[web.Request], Awaitable[bool]]


class Health:
    """The answers. *checks* decide on readiness; *facts* are shown beside it and decide nothing.

    *knows*: whether who asks may see more than the state.
    """

    def __init__(self, checks: Sequence[Check], facts: Facts, *, knows: Knows) -> None:
        self.ready = False
        self._checks = checks
        self._facts = facts
        self._knows = knows

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._readiness)

    async def _alive(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"}, 200)

    async def _readiness(self, request: web.Request) -> web.Response:
        reasons = [] if self.ready else ["The server is starting."]
        reasons += [reason for check in self._checks if (reason := await check())]
        told: dict[str, Any] = {"status": "not_ready" if reasons else "ready"}
        if await self._knows(request):
            told |= {"reasons": reasons, **self._facts()}
        return _json(told, 503 if reasons else 200)


def seldom(check: Check, *, seconds: float) -> Check:
    """The same *check*, made once in so many seconds however often it is asked for: one that costs something."""
    last: tuple[float, str | None] | None = None

    async def checked() -> str | None:
        nonlocal last
        if last is None or time.monotonic() - last[0] >= seconds:
            last = (time.monotonic(), await check())
        return last[1]

    return checked


def _json(data: Mapping[str, Any], status: int) -> web.Response:
    return web.json_bytes_response(data, dumps=orjson.dumps, status=status, headers={"Cache-Control": "no-store"})
