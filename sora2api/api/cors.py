"""CORS: which pages of other sites may use the API from a browser. None, unless the settings name them."""

from collections.abc import Collection
from typing import Final

from aiohttp import hdrs, web

from sora2api.api.middlewares import PREFIXES, Handler
from sora2api.media.links import PREFIX as LINKS

DOCUMENT: Final = "/openapi.json"
_PATHS: Final = (*(f"{prefix}/" for prefix in PREFIXES), f"{LINKS}/", DOCUMENT)
_METHODS: Final = "GET, HEAD, POST, DELETE"
_AGE: Final = "600"
_EXPOSED: Final = ", ".join(
    (
        "x-request-id",
        *(
            f"x-ratelimit-{kind}-{of}"
            for kind in ("limit", "remaining", "reset")
            for of in ("requests", "jobs", "seconds")
        ),
        "retry-after",
        "x-should-retry",
        "openai-processing-ms",
        "openai-version",
        "openai-poll-after-ms",
        "x-sora2api-engine",
    )
)


class Cors:
    """Lets pages of the *origins* in; `*` stands for all. Never with credentials: who calls is told by a key."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def set_up(self, app: web.Application) -> None:
        if self._origins:
            app.middlewares.append(self._preflight)
            app.on_response_prepare.append(self._let_in)

    @web.middleware
    async def _preflight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_METHOD)
        if request.method != hdrs.METH_OPTIONS or asked is None or self._allowed(request) is None:
            return await handler(request)
        return web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, ""),
                hdrs.ACCESS_CONTROL_MAX_AGE: _AGE,
            },
        )

    async def _let_in(self, request: web.Request, response: web.StreamResponse) -> None:
        if not request.path.startswith(_PATHS):
            return
        if "*" not in self._origins:
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        allowed = self._allowed(request)
        if allowed is not None:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = allowed
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED

    def _allowed(self, request: web.Request) -> str | None:
        """The origin that may read the reply; None where the request's may not."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or not request.path.startswith(_PATHS):
            return None
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None
