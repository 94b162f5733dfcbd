"""A request's JSON body as a struct; what is wrong with it is refused with the field at fault."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import orjson
from aiohttp import web
from msgspec import Struct

from sora2api.api.services import SERVICES
from sora2api.errors import InvalidJSON, InvalidValue, TooLarge
from sora2api.observe.requests import asked

Fields = TypeVar("Fields", bound=Struct)


async def json_object(request: web.Request, arrived: Callable[[int], None] | None = None) -> dict[str, Any]:
    """The body; *arrived* is told how long each piece of it is, and may refuse it."""
    read = await _read(request, arrived)
    try:
        body = orjson.loads(read)
    except orjson.JSONDecodeError as error:
        asked(request, f"<no JSON, {len(read)} bytes>")
        raise InvalidJSON(f"The body is not valid JSON: {error}.") from error
    asked(request, body)
    if not isinstance(body, dict):
        raise InvalidJSON("The body must be a JSON object.")
    return body


async def _read(request: web.Request, arrived: Callable[[int], None] | None) -> bytearray:
    """The body's bytes, which the request itself does not keep."""
    limit = request.config_dict[SERVICES].settings.json_limit
    too_large = TooLarge(f"The body is larger than {limit} bytes.")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    async for piece in request.content.iter_any():
        if arrived is not None:
            arrived(len(piece))
        body += piece
        if len(body) > limit:
            raise too_large
    return body


def decoded(body: dict[str, Any], fields: type[Fields]) -> Fields:
    """The *fields* of a body; others are passed over."""
    try:
        return msgspec.convert(body, fields)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise InvalidValue(f"{message}.", param=path.rstrip("`") or None) from error
