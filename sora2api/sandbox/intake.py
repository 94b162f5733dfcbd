"""Reads requests: JSON, or a form with files whose names may have brackets, into one shape; and checks values."""

import base64
import binascii
import re
from collections.abc import Sequence
from io import BytesIO
from typing import IO, Any

import msgspec
import orjson
from aiohttp import web
from aiohttp.web_request import FileField

from sora2api.errors import InvalidImage, InvalidJSON, InvalidRequest, InvalidValue, MissingParameter
from sora2api.sandbox.typeset import Size

LONGEST_PROMPT = 32_000
_BRACKETS = re.compile(r"^(\w+)\[(\w*)\]$")


class Form(msgspec.Struct, frozen=True):
    """A decoded request: its values, and its files by field name."""

    values: dict[str, Any]
    files: dict[str, list[FileField]]

    def file(self, name: str) -> FileField | None:
        return next(iter(self.files.get(name, ())), None)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if value is None or value == "":
            raise MissingParameter(f"`{name}` is required.", param=name)
        if not isinstance(value, str):
            raise InvalidValue(f"`{name}` must be a string.", param=name)
        return value

    def prompt(self) -> str:
        prompt = self.text("prompt")
        if not prompt.strip() or len(prompt) > LONGEST_PROMPT:
            raise InvalidValue(f"`prompt` must have 1 to {LONGEST_PROMPT} characters.", param="prompt")
        return prompt

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self.values.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"\d{1,9}", str(value)) or not least <= int(value) <= most:
            raise InvalidValue(f"`{name}` must be a whole number from {least} to {most}.", param=name)
        return int(value)

    def seconds(self, default: str = "4") -> float:
        return seconds(self.values.get("seconds", default), param="seconds")

    def size(self, default: Size, *, most: int, even: bool = False) -> Size:
        """`size` as WxH in pixels, each side from 64 to *most*."""
        value = self.values.get("size")
        if value in (None, "auto"):
            return default
        match = re.fullmatch(r"(\d{2,5})[x×](\d{2,5})", value) if isinstance(value, str) else None
        width, height = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (64 <= width <= most and 64 <= height <= most) or (even and (width % 2 or height % 2)):
            kind = "even sides" if even else "sides"
            raise InvalidValue(f"`size` must be WIDTHxHEIGHT with {kind} from 64 to {most} pixels.", param="size")
        return width, height

    def things(self, name: str) -> list[dict[str, Any]]:
        """A list of objects, which a form carries as a JSON string."""
        value = self.values.get(name)
        if isinstance(value, str):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise InvalidValue(f"`{name}` is not valid JSON.", param=name) from error
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise InvalidValue(f"`{name}` must be a list of objects.", param=name)
        return value


def seconds(value: object, *, param: str) -> float:
    """A length from 0.5 to 120 seconds, given as a number or as its text."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text) or not 0.5 <= float(text) <= 120:
        raise InvalidValue(f"`{param}` must be a number of seconds from 0.5 to 120.", param=param)
    return float(text)


def picture_data(url: object, *, param: str) -> IO[bytes]:
    """The bytes of a data: URL; no other URL is fetched here."""
    header, _, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not (header.startswith("data:") and header.endswith(";base64")):
        raise InvalidValue(f"`{param}` must be a data: URL with base64; nothing is fetched here.", param=param)
    try:
        return BytesIO(base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise InvalidImage("The base64 of the image is damaged.", param=param) from error


async def read(request: web.Request) -> Form:
    """The body of *request*. Raises InvalidJSON, InvalidRequest."""
    if request.content_type.startswith(("multipart/", "application/x-www-form-urlencoded")):
        return await _form(request)
    try:
        values = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise InvalidJSON from error
    if not isinstance(values, dict):
        raise InvalidJSON("The body must be a JSON object.")
    return Form(values, {})


async def _form(request: web.Request) -> Form:
    try:
        posted = await request.post()
    except (ValueError, AssertionError) as error:
        raise InvalidRequest("The form cannot be read.") from error
    values: dict[str, Any] = {}
    files: dict[str, list[FileField]] = {}
    for name, value in posted.items():
        plain, inner = _name(name)
        if isinstance(value, FileField):
            files.setdefault(plain, []).append(value)
        elif inner:
            values.setdefault(plain, {})[inner] = value
        else:
            values[plain] = value
    return Form(values, {name: kept for name, fields in files.items() if (kept := _not_empty(fields))})


def _name(name: str) -> tuple[str, str]:
    """`image[]` is image; `video[id]` is id in video."""
    match = _BRACKETS.match(name)
    return (match[1], match[2]) if match else (name, "")


def _not_empty(fields: Sequence[FileField]) -> list[FileField]:
    """SDKs send an empty file where an id stands for it."""
    return [field for field in fields if field.file.seek(0, 2) and field.file.seek(0) == 0]
