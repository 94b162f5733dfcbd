"""Misbehaves on request, so that what others make of it can be tested: errors, delays, broken connections, garbage."""

import asyncio
import contextlib
import socket
import struct
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from sora2api.errors import InvalidValue
from sora2api.sandbox.replies import Handler, MediaFile, reply

GARBAGE = b"\x00\xff<!-- garbage -->\x13" * 16


class Misbehaviour(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What befalls the next *times* requests with that method and path (a `*` in it is anything).

    After *delay* seconds: *close* "before" resets the connection with nothing done, "after" resets it with the
    work done and nothing answered, a number sends that many bytes of the body first; *garbage* answers with bytes
    that mean nothing; *status*, *headers* and *body* are the answer. Without any of these the request goes on, and its
    true answer comes with those *headers*, with *change* written over the fields of each video in it, without the first
    *omit* entries of a list, and with a *pause* of so many seconds in the middle of its body.
    """

    method: str | None = None
    path: str | None = None
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = {}
    times: int = 1
    delay: float = 0
    close: Literal["before", "after"] | int | None = None
    garbage: bool = False
    change: dict[str, Any] = {}
    omit: int = 0
    pause: float = 0

    def befalls(self, request: web.Request) -> bool:
        if self.method and self.method.upper() != request.method:
            return False
        if self.path is None or self.path == request.path:
            return True
        before, star, after = self.path.partition("*")
        return bool(star) and request.path.startswith(before) and request.path.removeprefix(before).endswith(after)

    def answer(self, request: web.Request) -> web.Response | None:
        """What is said in place of the true answer, if anything is."""
        if self.garbage:
            kind = "video/mp4" if request.path.endswith("/content") else "application/json"
            return web.Response(status=self.status or 200, body=GARBAGE, headers={"Content-Type": kind, **self.headers})
        if self.status is None and self.body is None:
            return None
        body = self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)
        headers = {"Content-Type": "application/json", **self.headers}
        return web.Response(status=self.status or 200, body=b"" if self.body is None else body, headers=headers)

    def touched_up(self, response: web.StreamResponse) -> web.StreamResponse:
        """The true answer, with what is to be different in it."""
        response.headers.update(self.headers)
        if (self.change or self.omit) and isinstance(response, web.Response):
            said = orjson.loads(_bytes(response))
            if "data" in said:
                said["data"] = [video | self.change for video in said["data"][self.omit :]]
            else:
                said |= self.change
            response.body = orjson.dumps(said)
        return response


FAULTS = web.AppKey("FAULTS", list[Misbehaviour])
routes = web.RouteTableDef()


@routes.get("/_sandbox/faults")
async def left(request: web.Request) -> web.Response:
    return reply(msgspec.to_builtins(request.app[FAULTS]))


@routes.post("/_sandbox/faults")
async def add(request: web.Request) -> web.Response:
    try:
        request.app[FAULTS].extend(msgspec.json.decode(await request.read(), type=list[Misbehaviour]))
    except msgspec.MsgspecError as error:
        raise InvalidValue(str(error)) from error
    return reply(msgspec.to_builtins(request.app[FAULTS]))


@routes.delete("/_sandbox/faults")
async def clear(request: web.Request) -> web.Response:
    request.app[FAULTS].clear()
    return reply([])


@web.middleware
async def misbehaving(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets the first fault that fits befall the request."""
    fault = None if request.path.startswith("/_sandbox/") else _taken(request)
    if fault is None:
        return await handler(request)
    await asyncio.sleep(fault.delay)
    if fault.close == "before":
        return _reset(request)
    response = fault.answer(request) or fault.touched_up(await handler(request))
    if fault.close == "after":
        return _reset(request)
    if fault.close is not None:
        await _send_part(request, response, count=int(fault.close))
        return _reset(request)
    return await _send_slowly(request, response, pause=fault.pause) if fault.pause else response


def _taken(request: web.Request) -> Misbehaviour | None:
    """The fault that is due, used once."""
    faults = request.app[FAULTS]
    fault = next((fault for fault in faults if fault.befalls(request)), None)
    if fault:
        fault.times -= 1
        if fault.times <= 0:
            faults.remove(fault)
    return fault


def _reset(request: web.Request) -> web.StreamResponse:
    """Resets the connection; what is returned reaches nobody."""
    if request.transport is not None:
        plug = request.transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


async def _send_part(request: web.Request, response: web.StreamResponse, *, count: int) -> None:
    """Sends the head and the first *count* bytes of the body, and waits until they are with the system."""
    with contextlib.suppress(ConnectionError):
        part, body = await _begun(request, response)
        await part.write(body[:count])


async def _send_slowly(request: web.Request, response: web.StreamResponse, *, pause: float) -> web.StreamResponse:
    """Sends the head and half of the body, and the rest after a pause."""
    part, body = await _begun(request, response)
    half = len(body) // 2
    await part.write(body[:half])
    await asyncio.sleep(pause)
    await part.write(body[half:])
    await part.write_eof()
    return part


async def _begun(request: web.Request, response: web.StreamResponse) -> tuple[web.StreamResponse, bytes]:
    """The answer with its head sent, and the body that is to follow."""
    body = await asyncio.to_thread(_bytes, response)
    part = web.StreamResponse(status=response.status, headers=response.headers)
    part.content_length = len(body)
    if request.transport is not None:
        request.transport.set_write_buffer_limits(0)
    await part.prepare(request)
    return part, body


def _bytes(response: web.StreamResponse) -> bytes:
    if isinstance(response, MediaFile):
        return response.path.read_bytes()
    return bytes(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
