"""A request's body, JSON or multipart, as one kind of thing: fields with their types, and files received to disk.

Multipart is read as the OpenAI SDKs write it: `a[b]` is a field in an object, `a[]` an item of a list, and every value
is text (openai-python 3, openai-node 7).
"""

import re
from typing import Any, Final

import orjson
from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError
from msgspec import Struct

from sora2api.api.body import json_object
from sora2api.api.inputs import Inputs
from sora2api.api.services import SERVICES
from sora2api.errors import InvalidRequest, InvalidValue, TooLarge, UnsupportedMediaType
from sora2api.media.store import Arrival
from sora2api.observe.requests import asked

_NAME: Final = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_KEY: Final = re.compile(r"\[([^\[\]]*)\]")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LONGEST_FIELD: Final = 4 * 1024 * 1024
_MOST_FIELDS: Final = 1000
_CHUNK: Final = 256 * 1024


class Sent(Struct):
    """What came: *fields* by name, and the files by the names of their fields, without a `[]`."""

    fields: dict[str, Any]
    files: dict[str, list[Arrival]]


async def sent(request: web.Request, inputs: Inputs) -> Sent:
    """The body; its files are examined. A file of no bytes is none: an SDK sends one where it must send something."""
    if request.content_type == "multipart/form-data":
        return await _form(request, inputs)
    if request.content_type in ("application/json", "application/octet-stream"):
        return Sent(await json_object(request, inputs.arrived), {})
    raise UnsupportedMediaType(f"The body is {request.content_type}; it must be JSON or multipart/form-data.")


async def _form(request: web.Request, inputs: Inputs) -> Sent:
    limit = request.config_dict[SERVICES].settings.upload_limit
    if (request.content_length or 0) > limit + _LONGEST_FIELD:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    body = Sent({}, {})
    try:
        reader = await request.multipart()
        for _ in range(_MOST_FIELDS):
            part = await reader.next()
            if part is None:
                return body
            if not isinstance(part, BodyPartReader) or not part.name:
                raise InvalidRequest("The form has a part without a name, or a form within the form.")
            await _take(part, part.name, body, inputs)
    except (ValueError, AssertionError, HttpProcessingError) as error:
        raise InvalidRequest("The form is damaged.") from error
    finally:
        asked(request, _said(body))
    raise TooLarge(f"The form has more than {_MOST_FIELDS} fields.")


def _said(body: Sent) -> dict[str, Any]:
    """A form as the log of requests keeps it: of files, what they are."""
    return body.fields | {
        field: [
            {"filename": file.name, "content_type": file.media.content_type, "bytes": file.bytes} for file in arrivals
        ]
        for field, arrivals in body.files.items()
    }


async def _take(part: BodyPartReader, name: str, body: Sent, inputs: Inputs) -> None:
    if part.filename is None:
        text = b""
        while chunk := await part.read_chunk(_CHUNK):
            inputs.arrived(len(chunk))
            text += chunk
            if len(text) > _LONGEST_FIELD:
                raise TooLarge(f"The field {name} is longer than {_LONGEST_FIELD} bytes.")
        try:
            _put(body.fields, name, text.decode())
        except UnicodeDecodeError as error:
            raise InvalidValue(f"The field {name} is not UTF-8.", param=name) from error
        return
    field = name.removesuffix("[]")
    arrival = await inputs.receive(part, param=field)
    if arrival is not None:
        body.files.setdefault(field, []).append(arrival)


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    """Set the field that *name* means: `meta[a]` in an object, `tags[]` at the end of a list."""
    matched = _NAME.match(name)
    if matched is None:
        raise InvalidValue(f"{name!r} is no name of a field.", param=name)
    first, keys = matched[1], _KEY.findall(matched[2])
    place: Any = fields
    key: str = first
    for following in keys:
        empty: Any = [] if following == "" else {}
        place = _within(place, key, empty, following)
        if not isinstance(place, type(empty)):
            raise InvalidValue(f"{first} is sent as two different kinds of thing.", param=first)
        key = following
    if isinstance(place, list):
        place.append(value)
    else:
        place[key] = value


def _within(place: Any, key: str, empty: Any, following: str) -> Any:
    """What stands at *key*, made as *empty* where nothing does; in a list, its last item, unless that has all."""
    if not isinstance(place, list):
        return place.setdefault(key, empty)
    last = place[-1] if place else None
    if not isinstance(last, type(empty)) or (isinstance(last, dict) and following in last):
        place.append(empty)
    return place[-1]


def typed(value: Any) -> Any:
    """A form's value with its type restored: a number, true or false; for fields whose type is not known."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    if value in ("true", "false"):
        return value == "true"
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if any(mark in value for mark in ".eE") else int(value)
    return value


def opened(value: Any) -> Any:
    """A form's value that is JSON text of an object or a list, as that; any other as it is."""
    if isinstance(value, str) and value[:1] in "[{" and value[-1:] in "]}":
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value
