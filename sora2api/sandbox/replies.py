"""Answers in OpenAI's shapes: JSON, errors in their envelope, files."""

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from sora2api.errors import (
    ClientError,
    MethodNotAllowed,
    NotFound,
    Sora2ApiError,
    TooLarge,
    Unauthenticated,
    UnsupportedFeature,
)
from sora2api.sandbox.engine import Engine

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ENGINE = web.AppKey("ENGINE", Engine)


class NotOffered(UnsupportedFeature):
    """This sandbox was started without it."""

    status = 404


class MediaFile(web.FileResponse):
    """A file that says where it lies, so that a fault can send a part of it."""

    def __init__(self, path: Path, content_type: str) -> None:
        super().__init__(path, headers={"Content-Type": content_type})
        self.path = path


def reply(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def refusal(error: Sora2ApiError) -> web.Response:
    """OpenAI's error envelope with its four keys."""
    said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return reply({"error": said}, error.status)


def require(request: web.Request, capability: str) -> None:
    """Raises NotOffered if the sandbox was started without *capability*."""
    if not request.app[ENGINE].options.offers(capability):
        raise NotOffered(f"This sandbox was started without {capability!r}.")


@web.middleware
async def enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns errors into envelopes, and names every request."""
    headers = {"x-request-id": f"req_{secrets.token_hex(12)}"}
    try:
        response = await handler(request)
    except Sora2ApiError as error:
        response = refusal(error)
    except web.HTTPMethodNotAllowed as error:
        response = refusal(MethodNotAllowed())
        headers["Allow"] = error.headers["Allow"]
    except web.HTTPNotFound:
        response = refusal(NotFound("There is no such path here."))
    except web.HTTPRequestEntityTooLarge:
        response = refusal(TooLarge())
    except web.HTTPException as error:
        response = refusal(ClientError(error.reason))
    if not response.prepared:
        response.headers.update(headers)
    return response


@web.middleware
async def authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lets only those with a key reach /v1, and counts what they ask for."""
    if request.path.startswith("/v1/"):
        engine = request.app[ENGINE]
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        engine.ledger.count(f"path {request.path}")
        engine.ledger.count(f"token {token}")
        if scheme.lower() != "bearer" or token not in engine.options.keys:
            raise Unauthenticated
    return await handler(request)
