"""What happens around each request: errors become OpenAI's envelope, and callers are known by their key."""

import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from sora2api.api.replies import problem
from sora2api.api.services import KEY, SERVICES
from sora2api.errors import ClientError, MethodNotAllowed, NotFound, Sora2ApiError, TooLarge
from sora2api.observe import requests
from sora2api.observe.requests import BEGUN

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIXES: Final = ("/v1", "/openai/v1")
_VERSION: Final = "2020-10-01"
"""The only one that OpenAI's API has had."""
_KNOWN: Final[dict[int, type[ClientError]]] = {404: NotFound, 405: MethodNotAllowed, 413: TooLarge}


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors in OpenAI's envelope; a fault of ours with 500 and no word of its inside."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _translated(request, error)
    except Sora2ApiError as error:
        known = error
    except Exception:  # the error middleware: nothing of ours may reach a client as a traceback
        log.exception("request failed", extra={"path": request.path})
        known = Sora2ApiError()
    requests.failed(request, known.code)
    if request.writer.output_size:
        raise ConnectionAbortedError(f"A reply that had begun failed: {known.code}.")  # it is cut off
    return problem(known)


def _translated(request: web.Request, error: web.HTTPException) -> web.Response:
    ours: Any = _KNOWN.get(error.status, ClientError)
    messages = {
        404: f"There is nothing at {request.path}.",
        405: f"{request.path} does not take {request.method}.",
    }
    response = problem(ours(messages.get(error.status) or (None if ours is not ClientError else error.reason)))
    response.set_status(error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def keyed(handler: Handler) -> Handler:
    """A handler for callers with an API key, which it finds under `KEY`."""

    @functools.wraps(handler)
    async def authenticated(request: web.Request) -> web.StreamResponse:
        services = request.config_dict[SERVICES]
        caller = services.caller(request)
        requests.called(request, address=caller.address)
        request[KEY] = services.authenticator.authenticate(request.headers, caller)
        requests.keyed(request, request[KEY].id)
        services.authenticator.admit(request[KEY], caller)
        return await handler(request)

    return authenticated


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Say in each reply to a client that the sandbox is what answers, while it is."""
    if KEY in request and request.config_dict[SERVICES].catalog.sandbox_in_use():
        response.headers["x-sora2api-engine"] = "sandbox"


async def time_reply(request: web.Request, response: web.StreamResponse) -> None:
    """Say in each reply of the API how long it took, of a stream until it began."""
    if BEGUN in request and request.path.startswith(PREFIXES):
        response.headers["openai-version"] = _VERSION
        response.headers["openai-processing-ms"] = str(round((time.monotonic() - request[BEGUN]) * 1000))
