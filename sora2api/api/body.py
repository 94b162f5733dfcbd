"""A request's JSON body as a struct; what is wrong with it is refused with the field at fault."""

from typing import Any, TypeVar

import msgspec
import orjson
from aiohttp import web
from msgspec import Struct

from sora2api.errors import InvalidJSON, InvalidValue

Fields = TypeVar("Fields", bound=Struct)


async def json_object(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise InvalidJSON(f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidJSON("The body must be a JSON object.")
    return body


def decoded(body: dict[str, Any], fields: type[Fields]) -> Fields:
    """The *fields* of a body; others are passed over."""
    try:
        return msgspec.convert(body, fields)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise InvalidValue(f"{message}.", param=path.rstrip("`") or None) from error
