"""An id and a timing for each request, said in its reply and in the log."""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

from aiohttp import web

log = logging.getLogger(__name__)

REQUEST_ID: Final = web.RequestKey("REQUEST_ID", str)
BEGUN: Final = web.RequestKey("BEGUN", float)
"""When the request came, by the monotonic clock."""

CURRENT: Final[ContextVar[str | None]] = ContextVar("request", default=None)
"""The request that is served, or that made the job that is worked."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, said in its reply and in the log, in the lines of the job too that it makes."""
    request[REQUEST_ID] = f"req_{secrets.token_hex(12)}"
    CURRENT.set(request[REQUEST_ID])
    request[BEGUN] = time.monotonic()
    response = await handler(request)
    log.debug(
        "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": response.status,
            "milliseconds": round((time.monotonic() - request[BEGUN]) * 1000),
        },
    )
    return response


async def stamp(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id on a reply as it is prepared, a streamed one too."""
    if REQUEST_ID in request:
        response.headers["x-request-id"] = request[REQUEST_ID]
