"""The admin API, /admin/api/v1: the operations as JSON, for programs with a panel key and for our own pages."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import orjson
from aiohttp import hdrs, web

from sora2api.errors import InvalidJSON, MethodNotAllowed, NotFound, Sora2ApiError, Unauthenticated
from sora2api.web import guard, uploads
from sora2api.web.guard import SESSION
from sora2api.web.keys import PANEL_KEYS
from sora2api.web.operation import Change, Desk, Download, Operation, perform
from sora2api.web.sentences import say
from sora2api.web.table import TABLE
from sora2api.web.words import speak

ROOT: Final = "/api/v1"
UPLOADS: Final = "/studio/files"
_LARGEST: Final = 16 * 1024 * 1024
_PIECE: Final = 64 * 1024
"""About so many characters of a file are sent at a time."""
_KNOWN: Final[dict[int, type[Sora2ApiError]]] = {404: NotFound, 405: MethodNotAllowed}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


def app() -> web.Application:
    application = web.Application(middlewares=[speak, errors_as_json, guard.identify], client_max_size=_LARGEST)
    for operation in TABLE:
        application.router.add_route(operation.method, operation.path, _handler(operation))
    application.router.add_post(UPLOADS, _keep_file)
    application.on_response_prepare.append(guard.harden)
    return application


def _handler(operation: Operation) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        desk = await _desk(request)
        fields: dict[str, Any] = dict(request.query)
        typed = operation.method != hdrs.METH_GET
        if typed:
            fields = await _body(request)
        done = await perform(operation, desk, fields | dict(request.match_info), typed=typed)
        if isinstance(done, Download):
            return await _send(request, done)
        return _json(done.value if isinstance(done, Change) else done, status=200)

    return handle


async def _send(request: web.Request, file: Download) -> web.StreamResponse:
    response = web.StreamResponse(headers={hdrs.CACHE_CONTROL: "no-store"})
    response.content_type, response.charset = file.content_type, "utf-8"
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{file.name}"'
    await response.prepare(request)
    piece = ""
    async for line in file.lines:
        piece += line
        if len(piece) >= _PIECE:
            await response.write(piece.encode())
            piece = ""
    await response.write_eof(piece.encode())
    return response


async def _keep_file(request: web.Request) -> web.Response:
    """The body is an image or a video; the query's *key* is whose it shall be, *name* what it is called."""
    desk, query = await _desk(request), request.query
    chunks = request.content.iter_chunked(_PIECE)
    return _json(await uploads.keep(desk, chunks, key=query.get("key"), name=query.get("name", "")), status=200)


async def _desk(request: web.Request) -> Desk:
    """Who asks: a program by its panel key, or a page of ours by its session."""
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer":
        key = await request.config_dict[PANEL_KEYS].find(secret.strip())
        return guard.desk(request, user=f"key {key.name}", role=key.role)
    session = request[SESSION]
    if session is None or session.must_change:
        raise Unauthenticated("This needs a panel key, or a login.")
    if request.method != hdrs.METH_GET:
        guard.check_csrf(request, session, request.headers.get("x-csrf-token", ""))
    return guard.desk(request, user=session.user, role=session.role)


async def _body(request: web.Request) -> dict[str, Any]:
    read = await request.read()
    try:
        body = orjson.loads(read) if read else {}
    except orjson.JSONDecodeError as error:
        raise InvalidJSON(f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidJSON("The body must be a JSON object.")
    return body


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        known = _KNOWN.get(error.status, Sora2ApiError)
        return problem(known(), status=error.status)
    except Sora2ApiError as error:
        return problem(error)
    except Exception:
        log.exception("operation failed", extra={"method": request.method, "path": request.path})
        return problem(Sora2ApiError())


def problem(error: Sora2ApiError, *, status: int | None = None) -> web.Response:
    """The envelope of the API's errors; what a page's script asks for is said in its reader's language."""
    said = {"message": say(error.message), "type": error.type, "param": error.param, "code": error.code}
    response = _json({"error": said}, status=status or error.status)
    if error.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(max(1, round(error.retry_after)))
    return response


def _json(value: Any, *, status: int) -> web.Response:
    response = web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
