"""A server of the OpenAI shape as the command line asks it: with patience, and nothing that is paid for twice."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import orjson
from msgspec import Struct
from yarl import URL

from sora2api.errors import Sora2ApiError

_AT_FIRST: Final = 0.5
_AT_MOST: Final = 5.0
_CONNECT: Final = 15.0
_SILENCE: Final = 60.0
"""Seconds without a byte of an event stream or a file, after which it is asked for again; heartbeats come sooner."""
_UNSURE: Final = frozenset({502, 504})
_LATER: Final = frozenset({429, 503})

Broken: Final = (aiohttp.ClientError, OSError)
"""What a connection that breaks raises; a timeout is an OSError too."""


class Refused(Sora2ApiError):
    """The server refused the request."""

    code = "refused"

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        self.answered = status
        self.error_code = str(error.get("code") or error.get("type") or f"http_{status}")
        self.about = error.get("param")
        self.bare = not error.get("code")
        super().__init__(f"{str(error.get('message') or 'The server refused the request.').strip()}")

    @property
    def no_such_path(self) -> bool:
        """Whether the server lacks the path, rather than what was asked for."""
        return self.answered in (405, 501) or (self.answered == 404 and self.bare and self.about != "model")


class Unreached(Sora2ApiError):
    """The server cannot be reached."""

    code = "server_unreachable"


class SubmitUnknown(Sora2ApiError):
    """The connection broke while the server was asked; whether it took the request is not known."""

    code = "submit_unknown"


class Form(Struct, frozen=True, kw_only=True):
    """What is posted: *fields* as JSON or, where it is *multipart*, with *files* (pairs of a name and a path)."""

    fields: dict[str, Any]
    files: tuple[tuple[str, Path], ...] = ()
    multipart: bool = False


class Remote:
    """A server, while its context is open. Its key goes to its own origin alone.

    *patience* is how many seconds it may be out of reach, once it has answered. *on_trouble* hears what went wrong
    when something is about to be tried again.
    """

    def __init__(
        self, server: str, key: str | None, *, patience: float, on_trouble: Callable[[str], None] = lambda _: None
    ) -> None:
        url = URL(server)
        self.url = url / "v1" if url.path in ("", "/") else URL(server.rstrip("/"))
        self.idempotent = False
        """Whether it is one of ours, which take a request with the same Idempotency-Key once."""
        self._key = key
        self._patience = patience
        self.on_trouble = on_trouble
        self._met = False

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT)
        self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True, middlewares=(self._keyed,))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def models(self) -> list[dict[str, Any]]:
        """What it lists; none where it has no such list."""
        try:
            found = await self.get("models")
        except Refused as error:
            if error.answered in (401, 403):
                raise
            return []
        listed = [each for each in found.get("data") or () if isinstance(each, dict)]
        self.idempotent = any(each.get("owned_by") == "sora2api" for each in listed)
        return listed

    async def get(self, path: str) -> dict[str, Any]:
        return await self._answer("GET", path, dict, sure=True)

    async def video(self, job_id: str) -> dict[str, Any]:
        """How a job stands; its id is with it, whether the server says that again or not."""
        return {"id": job_id} | await self.get(path_of(job_id))

    async def post(self, path: str, form: Form, *, once: str) -> dict[str, Any]:
        """Ask for something to be made, under the Idempotency-Key *once*. Raises `SubmitUnknown`."""

        def given() -> dict[str, Any]:
            headers = {"Idempotency-Key": once}
            if form.multipart:
                return {"headers": headers, "data": _multipart(form)}
            return {"headers": headers, "json": form.fields}

        return await self._answer("POST", path, given, sure=self.idempotent)

    async def cancel(self, job_id: str) -> None:
        """Cancel a job, once; a server of another kind has it deleted. Raises `Refused` or `Unreached`."""
        path = path_of(job_id)
        try:
            try:
                await self._once("POST", f"{path}/cancel", {})
            except Refused as error:
                if not error.no_such_path:
                    raise
                await self._once("DELETE", path, {})
        except Broken as error:
            raise Unreached(f"{self.url} cannot be reached: {_reason(error)}.") from error

    @asynccontextmanager
    async def stream(self, address: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a GET of a path, or of a link, whose bytes are read as they come. Raises `Refused`."""
        url = self.url.join(URL(address)) if "://" in address or address[:1] == "/" else self._at(address)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
        async with self._session.get(url, headers=headers, timeout=timeout) as response:
            if response.status >= 400 and response.status != 416:
                raise Refused(response.status, _error(await response.read()))
            self._met = True
            yield response

    def waiting(self) -> "Waiting":
        """The waits between tries of one thing."""
        return Waiting(self._patience if self._met else 0.0, self.on_trouble)

    async def _answer(
        self, method: str, path: str, given: Callable[[], dict[str, Any]], *, sure: bool
    ) -> dict[str, Any]:
        """The answer, asked for until it comes; unless it is *sure* that twice is as once, not after a try that may
        have been taken.
        """
        waiting = self.waiting()
        while True:
            try:
                answer = await self._once(method, path, given())
            except Refused as error:
                _check_unsure(error, sure=sure or error.answered not in _UNSURE)
                if error.answered not in _LATER | _UNSURE or not await waiting.wait(str(error)):
                    raise
            except Broken as error:
                _check_unsure(error, sure=sure or isinstance(error, aiohttp.ClientConnectorError))
                if not await waiting.wait("The server does not answer."):
                    raise Unreached(f"{self.url} cannot be reached: {_reason(error)}.") from error
            else:
                self._met = True
                return answer

    async def _once(self, method: str, path: str, given: dict[str, Any]) -> dict[str, Any]:
        async with self._session.request(method, self._at(path), **given) as response:
            body = await response.read()
            if response.status < 400:
                return _object(body, self.url)
            self._met = True
            if (video := _video(body)) is not None:
                return video
            raise Refused(response.status, _error(body))

    async def _keyed(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Show the key, also where ~/.netrc or the address have a name and password too."""
        if self._key and request.url.origin() == self.url.origin():
            request.headers["Authorization"] = f"Bearer {self._key}"
        return await send(request)

    def _at(self, path: str) -> URL:
        return URL(f"{self.url}/{path}")


def path_of(job_id: str) -> str:
    return f"videos/{quote(job_id, safe='')}"


class Waiting:
    """Waits between tries, each longer than the one before, until the patience is over; `well` begins anew."""

    def __init__(self, patience: float, on_trouble: Callable[[str], None]) -> None:
        self._patience = patience
        self._on_trouble = on_trouble
        self.well()

    def well(self) -> None:
        """What was tried goes well: its next trouble is a new one."""
        self._ends: float | None = None
        self._next = _AT_FIRST

    async def wait(self, trouble: str) -> bool:
        """Wait for the next try; False: there is to be none."""
        if self._ends is None:  # what was tried may have gone well for long
            self._ends = time.monotonic() + self._patience
        if time.monotonic() + self._next > self._ends:
            return False
        self._on_trouble(trouble)
        await asyncio.sleep(self._next)
        self._next = min(self._next * 2, _AT_MOST)
        return True


def _check_unsure(error: Exception, *, sure: bool) -> None:
    if not sure:
        raise SubmitUnknown from error


def _multipart(form: Form) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in form.fields.items():
        data.add_field(name, value if isinstance(value, str) else orjson.dumps(value).decode())
    for name, path in form.files:
        data.add_field(name, path.open("rb"), filename=path.name)
    return data


def _error(body: bytes) -> dict[str, Any]:
    """The error of OpenAI's envelope; of another body a word of it."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"message": body[:200].decode(errors="replace")}
    error = said.get("error", said) if isinstance(said, dict) else said
    if isinstance(error, dict):
        return error if "message" in error else {"message": str(error.get("detail") or error)}
    return {"message": str(error)}


def _video(body: bytes) -> dict[str, Any] | None:
    """The Video that a body is: vLLM-Omni shows one that failed with an error's status."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) and {"id", "status"} <= said.keys() else None


def _object(body: bytes, url: URL) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(200, {"message": f"{url} does not speak OpenAI's format."}) from error
    if not isinstance(said, dict):
        raise Refused(200, {"message": f"{url} does not speak OpenAI's format."})
    return said


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
        return os.strerror(error.os_error.errno).lower()
    return str(error) or type(error).__name__
