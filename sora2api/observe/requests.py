"""An id and a timing for each request, said in its reply and in the log; and what the log of requests keeps of it."""

import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final

from aiohttp import web

log = logging.getLogger(__name__)

REQUEST_ID: Final = web.RequestKey("REQUEST_ID", str)
BEGUN: Final = web.RequestKey("BEGUN", float)
"""When the request came, by the monotonic clock."""

CURRENT: Final[ContextVar[str | None]] = ContextVar("request", default=None)
"""The request that is served, or that made the job that is worked."""

LOGGED: Final = ("/v1/", "/openai/v1/")
_JOBS: Final = ("video_", "image_")
_LAST: Final = 4
_ASKING: Final = frozenset(("GET", "HEAD", "OPTIONS"))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Note:
    """What is known of a request of the API; the handlers add what they learn. Times and sizes as in the table."""

    __slots__ = (
        "address",
        "at",
        "body",
        "bytes_in",
        "bytes_out",
        "code",
        "id",
        "job_id",
        "key_id",
        "method",
        "mode",
        "model",
        "path",
        "prompt",
        "replied",
        "response",
        "status",
        "told",
    )

    def __init__(self, id_: str, method: str, path: str) -> None:
        self.id = id_
        self.at = time.time()
        self.method = method
        self.path = path
        self.key_id: str | None = None
        self.address: str | None = None
        self.status: int | None = None
        self.code: str | None = None
        self.bytes_in: int | None = None
        self.bytes_out: int | None = None
        self.replied: float | None = None
        self.job_id: str | None = None
        self.mode: str | None = None
        self.model: str | None = None
        self.prompt: str | None = None
        self.body: bytes | None = None
        self.told: bytes | None = None
        self.response: web.StreamResponse | None = None

    def with_bodies(self) -> bool:
        """Whether its bodies are kept: not those of replies that tell only what can be asked for again."""
        return self.method not in _ASKING or self.code is not None


class Log(ABC):
    """What takes the notes. `cut` makes of a body what may be kept of it."""

    @abstractmethod
    def cut(self, body: Any) -> bytes: ...

    @abstractmethod
    def add(self, note: Note) -> None: ...

    @abstractmethod
    async def forget(self, job_id: str) -> None: ...


LOG: Final = web.AppKey("LOG", Log)
NOTE: Final = web.RequestKey("NOTE", Note)
CODE: Final = web.ResponseKey("CODE", str)
"""The code of the error that a reply tells."""
TOLD: Final = web.ResponseKey("TOLD", list[Any])
"""What a reply tells, before it is encoded; of a stream, the last of it."""


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, said in its reply and in the log, in the lines of the job too that it makes."""
    request[REQUEST_ID] = _new_id()
    CURRENT.set(request[REQUEST_ID])
    request[BEGUN] = time.monotonic()
    kept = request.app.get(LOG)
    if kept is None or not request.path.startswith(LOGGED):
        response = await handler(request)
    else:
        response = await _noted(request, handler, kept)
    if log.isEnabledFor(logging.DEBUG):
        took = round((time.monotonic() - request[BEGUN]) * 1000)
        told = {"method": request.method, "path": request.path, "status": response.status, "milliseconds": took}
        log.debug("request", extra=told)
    return response


def _new_id() -> str:
    """An id that is larger than those before, by which rows of the log lie in the order in which they came."""
    return f"req_{time.time_ns() // 1_000_000:012x}{random.getrandbits(48):012x}"


async def _noted(request: web.Request, handler: Handler, kept: Log) -> web.StreamResponse:
    """Serve the request and write the reply whole, so that it is known when that was done, or that it never was."""
    note = request[NOTE] = Note(request[REQUEST_ID], request.method, request.path)
    note.address = request.remote
    try:
        try:
            response = await handler(request)
        except web.HTTPException as redirect:
            note.response, note.status, note.bytes_out = redirect, redirect.status, 0
            note.replied = time.monotonic() - request[BEGUN]
            raise
        await _write(request, response, note)
        return response
    finally:
        _finish(request, note, kept)


async def _write(request: web.Request, response: web.StreamResponse, note: Note) -> None:
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return  # the client has gone, which the server finds out once more when it writes
    note.replied = time.monotonic() - request[BEGUN]


def _finish(request: web.Request, note: Note, kept: Log) -> None:
    response, note.response = note.response, None
    note.bytes_in = request.content.total_bytes if request.body_exists else 0
    if response is not None:
        note.status = response.status
        note.bytes_out = _length(request, response)
        note.code = note.code or response.get(CODE)
        if note.with_bodies() and TOLD in response:
            told = response[TOLD]
            note.told = kept.cut(told[0] if len(told) == 1 else told)
    kept.add(note)


def _length(request: web.Request, response: web.StreamResponse) -> int:
    """The bytes that were sent; of a file that the system sent by itself, those of its body."""
    if isinstance(response, web.FileResponse):
        return response.content_length or 0
    return request.writer.output_size


async def stamp(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id on a reply as it is prepared, a streamed one too."""
    if REQUEST_ID in request:
        response.headers["x-request-id"] = request[REQUEST_ID]
    if NOTE in request:
        request[NOTE].response = response


# What the handlers know.


def asked(request: web.Request, body: Any) -> None:
    """The request's *body*, decoded; what may be kept of it is, before anything becomes of it."""
    note = request.get(NOTE)
    if note is not None:
        note.body = request.config_dict[LOG].cut(body)


def called(request: web.Request, *, address: str) -> None:
    """Where the call comes from; and which job it changes, where its path names one."""
    note = request.get(NOTE)
    if note is not None:
        note.address = address
        named = request.match_info.get("id", "")
        if note.method not in _ASKING and named.startswith(_JOBS):
            note.job_id = named


def keyed(request: web.Request, key_id: str) -> None:
    """The API key that the call was made with."""
    note = request.get(NOTE)
    if note is not None:
        note.key_id = key_id


def made(request: web.Request, job_id: str, *, mode: str, model: str, prompt: str) -> None:
    """The job that the request got."""
    note = request.get(NOTE)
    if note is not None:
        note.job_id, note.mode, note.model, note.prompt = job_id, mode, model, prompt


def failed(request: web.Request, code: str) -> None:
    """The code of an error that the reply may not be able to tell any more."""
    note = request.get(NOTE)
    if note is not None:
        note.code = code


async def forget(request: web.Request, job_id: str) -> None:
    """Remove from the log what was said in the requests of a job."""
    kept = request.config_dict.get(LOG)
    if kept is not None:
        await kept.forget(job_id)


def tells(response: web.StreamResponse, data: Any) -> None:
    """What a reply tells; of a stream, piece by piece."""
    if TOLD not in response:
        response[TOLD] = []
    response[TOLD].append(data)
    del response[TOLD][:-_LAST]
