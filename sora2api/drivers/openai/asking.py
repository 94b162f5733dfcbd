"""A piece of work as a request in the OpenAI shape (POST /videos and its kin, POST /images/...)."""

import asyncio
import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson
from msgspec import Struct

from sora2api.drivers import File, Work
from sora2api.drivers.openai.dialects import Dialect
from sora2api.egress import FormField
from sora2api.errors import BadRequest

_LONGEST_NAME: Final = 80
"""What OpenAI allows a character's name."""


class Order(Struct, frozen=True, kw_only=True):
    """A request that makes something: a POST to *path*, with one of the two bodies."""

    path: str
    json: dict[str, Any] | None = None
    form: tuple[FormField, ...] | None = None


async def order(work: Work, dialect: Dialect) -> Order:
    """Put *work* as the engine wants it; raise `BadRequest` for what it has no words for."""
    match work.make:
        case "image":
            return _image(work, dialect)
        case "clip" | "shots":
            return await _clip(work, dialect)
        case "remix":
            return Order(path=f"/videos/{_source(work)}/remix", json=_with_extra({"prompt": work.prompt}, work))
        case "edit":
            return Order(path="/videos/edits", json=_with_extra(_about_source(work), work))
        case "extend":
            values = {**_about_source(work), "seconds": _seconds(work.seconds, dialect)}
            return Order(path="/videos/extensions", json=_with_extra(values, work))
        case "cast":
            return _cast(work)


def _image(work: Work, dialect: Dialect) -> Order:
    values = {
        "model": work.model,
        "prompt": work.prompt,
        "n": work.n,
        "size": work.size,
        "response_format": dialect.response_format,
    }
    if not work.images:
        return Order(path="/images/generations", json=_with_extra(values, work))
    name = "image" if len(work.images) == 1 else "image[]"
    files = [_file(name, image) for image in work.images]
    if work.mask is not None:
        files.append(_file("mask", work.mask))
    return Order(path="/images/edits", form=(*_texts(_with_extra(values, work)), *files))


async def _clip(work: Work, dialect: Dialect) -> Order:
    first, others = work.images[:1], work.images[1:]
    if others and dialect.references is None:
        raise BadRequest("The engine takes one picture for a video.", param="input_reference")
    values = {
        "model": work.model,
        "prompt": work.prompt or None,
        "size": work.size,
        "seconds": _seconds(work.seconds, dialect),
        "characters": [{"id": character} for character in work.characters] or None,
        "shots": [{"prompt": shot.prompt, "seconds": _seconds(shot.seconds, dialect)} for shot in work.shots] or None,
    }
    if dialect.create == "json":
        values["input_reference"] = await _data_url(first[0]) if first else None
        return Order(path="/videos", json=_with_extra(values, work))
    files = [_file("input_reference", image) for image in first]
    files += [_file(dialect.references or "", image) for image in others]
    return Order(path="/videos", form=(*_texts(_with_extra(values, work)), *files))


def _cast(work: Work) -> Order:
    if work.video is None:
        raise BadRequest("A character is made out of a video.", param="video")
    name = str(work.extra.get("name") or work.prompt or work.key)[:_LONGEST_NAME]
    return Order(path="/videos/characters", form=(FormField("name", name), _file("video", work.video)))


def _source(work: Work) -> str:
    if work.source is None:
        raise BadRequest("A video to change is needed.", param="video")
    return path_id(work.source)


def _about_source(work: Work) -> dict[str, Any]:
    _source(work)
    return {"video": {"id": work.source}, "prompt": work.prompt}


def path_id(identifier: str) -> str:
    """Return an engine's id as one segment of a path; LiteLLM's hold "+", "/" and "="."""
    return quote(identifier, safe="")


def _seconds(seconds: float | None, dialect: Dialect) -> str | float | None:
    if seconds is None:
        return None
    match dialect.seconds:
        case "string":
            return format(seconds, "g")
        case "whole":
            return math.ceil(seconds)
        case "number":
            return seconds


def _with_extra(values: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """Add what the client said beyond our own words, which it cannot override; leave out what is None."""
    given = {name: value for name, value in values.items() if value is not None}
    return {**given, **{name: value for name, value in work.extra.items() if name not in values and value is not None}}


def _texts(values: Mapping[str, Any]) -> Iterator[FormField]:
    """Parts of a form: scalars as both OpenAI SDKs send them, all else as JSON, as vLLM-Omni takes its `lora`."""
    for name, value in values.items():
        yield FormField(name, value if isinstance(value, str) else orjson.dumps(value).decode())


def _file(name: str, file: File) -> FormField:
    return FormField(name, file.path, filename=file.name, content_type=file.content_type)


async def _data_url(file: File) -> str:
    data = await asyncio.to_thread(file.path.read_bytes)
    return f"data:{file.content_type};base64,{base64.b64encode(data).decode()}"
