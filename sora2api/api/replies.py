"""Replies: JSON, and errors in OpenAI's envelope (all four keys, `code` never null)."""

import math
from typing import Any

import orjson
from aiohttp import web

from sora2api.errors import Sora2ApiError
from sora2api.modes import Failure


def reply(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_bytes_response(data, dumps=orjson.dumps, status=status, headers=headers)


def envelope(error: Sora2ApiError) -> dict[str, Any]:
    return {
        "error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code},
    }


def problem(error: Sora2ApiError, **beside: Any) -> web.Response:
    """An error as a reply; SDKs are told whether trying again makes sense."""
    headers = {"x-should-retry": "true" if error.retry else "false"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return reply(envelope(error) | beside, status=error.status, headers=headers)


def failed(failure: Failure, **beside: Any) -> web.Response:
    """The reply to a request whose job failed. It is not to be tried again by itself: a job is a paid thing."""
    error = {
        "message": failure.message,
        "type": "invalid_request_error" if failure.status < 500 else "server_error",
        "param": failure.param,
        "code": failure.code,
    }
    return reply({"error": error} | beside, status=failure.status, headers={"x-should-retry": "false"})
