"""Replies: JSON, and errors in OpenAI's envelope (all four keys, `code` never null)."""

import asyncio
import math
from pathlib import Path
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from sora2api.errors import Sora2ApiError
from sora2api.media.store import Asset
from sora2api.modes import Failure
from sora2api.observe.requests import CODE, tells


def reply(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    response = web.json_bytes_response(data, dumps=orjson.dumps, status=status, headers=headers)
    tells(response, data)
    return response


class _KeptFile(web.FileResponse):
    """A file of which a part is sent only if it is the one that If-Range names; aiohttp looks at dates there alone."""

    def __init__(self, path: Path, headers: dict[str, str]) -> None:
        super().__init__(path, headers=headers)
        self._file = path

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self.prepared:  # it was written whole before the server came to it
            return None
        wanted = request.headers.get(hdrs.IF_RANGE, "")
        if wanted.endswith('"') and wanted != await asyncio.to_thread(self._tag):
            others = {name: value for name, value in request.headers.items() if name.lower() != "range"}
            request = request.clone(headers=others)
        return await super().prepare(request)

    def _tag(self) -> str:
        """The file's ETag as aiohttp makes it."""
        found = self._file.stat()
        return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'


def file_reply(asset: Asset) -> web.StreamResponse:
    """A kept file, with Range, ETag and HEAD as aiohttp does them, and If-Range by ETag."""
    headers = {
        "Content-Type": asset.media.content_type,
        "Cache-Control": "private, max-age=3600",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "inline",
    }
    return _KeptFile(asset.path, headers)


def error_object(error: Sora2ApiError | Failure) -> dict[str, str | None]:
    """What went wrong in a request, or made a job fail."""
    if isinstance(error, Failure):
        kind = "invalid_request_error" if error.status < 500 else "server_error"
    else:
        kind = error.type
    return {"message": error.message, "type": kind, "param": error.param, "code": error.code}


def problem(error: Sora2ApiError | Failure, **beside: Any) -> web.Response:
    """An error as a reply; SDKs are told whether to try again by themselves, which a failed job is not."""
    ours = None if isinstance(error, Failure) else error
    headers = {"x-should-retry": "true" if ours is not None and ours.retry else "false"}
    if ours is not None and ours.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(ours.retry_after))
    response = reply({"error": error_object(error)} | beside, status=error.status, headers=headers)
    response[CODE] = error.code
    return response
