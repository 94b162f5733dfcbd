"""GET /healthz (the process is alive) and GET /readyz (it can take work, or why not). Neither needs a key."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web

Check = Callable[[], Awaitable[str | None]]
"""Says in one sentence why no work can be taken; None: it can."""

Facts = Callable[[], Mapping[str, Any]]


class Health:
    """The answers. *checks* decide on readiness; *facts* are shown beside it and decide nothing."""

    def __init__(self, checks: Sequence[Check], facts: Facts) -> None:
        self.ready = False
        self._checks = checks
        self._facts = facts

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._readiness)

    async def _alive(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"}, 200)

    async def _readiness(self, _request: web.Request) -> web.Response:
        reasons = [] if self.ready else ["The server is starting."]
        reasons += [reason for check in self._checks if (reason := await check())]
        status = "not_ready" if reasons else "ready"
        return _json({"status": status, "reasons": reasons, **self._facts()}, 503 if reasons else 200)


def _json(data: Mapping[str, Any], status: int) -> web.Response:
    return web.json_bytes_response(data, dumps=orjson.dumps, status=status, headers={"Cache-Control": "no-store"})
