"""GET /metrics, and who may see the inside of the server without a key of the API or a login of the panel."""

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from aiohttp import hdrs, web

from sora2api.errors import Forbidden, InvalidValue
from sora2api.observe.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Near = Callable[[web.BaseRequest], bool]
"""Whether a request comes from this machine, or from a network of those who watch over it."""

METRICS: Final = web.AppKey("METRICS", Metrics)
_BEARER: Final = "Bearer "


class Monitoring:
    """Serves the metrics. *who*: nobody, those who are *near*, or those who show the *token* and nobody else."""

    def __init__(self, metrics: Metrics, *, who: Literal["off", "local", "token"], token: str, near: Near) -> None:
        if who == "token" and not token:
            raise InvalidValue("`metrics = token` needs a `metrics_token`.", param="metrics_token")
        self._metrics = metrics
        self._who = who
        self._token = token
        self._near = near

    def set_up(self, app: web.Application) -> None:
        """Count the requests of *app*, around all else, and serve the metrics there, if anybody may read them."""
        if self._who == "off":
            return
        app[METRICS] = self._metrics
        app.middlewares.insert(0, counted)
        app.router.add_get("/metrics", self._page)

    def knows(self, request: web.BaseRequest) -> bool:
        """Whether who asks may see the inside of the server: they are near, or show the token."""
        return self._near(request) or shows(request, self._token)

    async def _page(self, request: web.Request) -> web.Response:
        self._check(request)
        body, content_type = await self._metrics.page(request.headers.get(hdrs.ACCEPT, ""))
        response = web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
        response.enable_compression()
        return response

    def _check(self, request: web.Request) -> None:
        if self._who == "token":
            if not shows(request, self._token):
                raise Forbidden("This needs the metrics' token, as `Authorization: Bearer ...`.")
        elif not self._near(request):
            raise Forbidden("The metrics are for this machine, and for the networks of `monitor_allow`.")


def shows(request: web.BaseRequest, token: str) -> bool:
    """Whether a request has the *token*; an empty one opens nothing."""
    given = request.headers.get(hdrs.AUTHORIZATION, "")
    return bool(token) and hmac.compare_digest(given.encode(errors="surrogateescape"), (_BEARER + token).encode())


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request when it was answered, or given up by its client."""
    began, status = time.perf_counter(), 0
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as error:
        status = error.status
        raise
    else:
        return response
    finally:
        request.app[METRICS].served(request, status, time.perf_counter() - began)
