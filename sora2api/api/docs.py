"""/openapi.json, and /docs, a page made of it: made when first asked for, the same for all, and no key is needed."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Any, Final

import jinja2
import orjson
from aiohttp import web
from markupsafe import Markup, escape
from msgspec import Struct

from sora2api.api.cors import DOCUMENT

PAGE: Final = "/docs"
_REF: Final = "#/components/schemas/"
_NAMED: Final = re.compile(r"`([^`]+)`|\*(\w+)\*")
"""How descriptions write names."""


class Words(Struct, frozen=True):
    """A piece of what a type is called; *schema* is the one that it names."""

    text: str
    schema: str | None = None


class Field(Struct, frozen=True):
    """A parameter, or a field of a body or a reply."""

    name: str
    kind: list[Words]
    required: bool
    note: str
    place: str = ""


class Shown(Struct, frozen=True):
    """An operation as the page shows it."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    note: str
    parameters: list[Field]
    bodies: dict[str, list[Words]]
    replies: dict[str, list[Words]]


class Pages(Struct, frozen=True):
    """What is sent."""

    document: bytes
    page: bytes
    headers: dict[str, str]


def add_routes(app: web.Application, documented: Callable[[], Mapping[str, Any]]) -> None:
    """*documented* gives the document; it is called when somebody first asks for it."""
    made = cache(lambda: _made(documented()))

    async def document(_request: web.Request) -> web.StreamResponse:
        pages = await asyncio.to_thread(made)
        return web.Response(body=pages.document, content_type="application/json", charset="utf-8")

    async def page(_request: web.Request) -> web.StreamResponse:
        pages = await asyncio.to_thread(made)
        return web.Response(body=pages.page, content_type="text/html", charset="utf-8", headers=pages.headers)

    app.router.add_get(DOCUMENT, document)
    app.router.add_get(PAGE, page)


def _made(document: Mapping[str, Any]) -> Pages:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sora2api.api", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["marked"] = _marked
    style = environment.get_template("docs.css").render()
    page = environment.get_template("docs.html").render(
        style=style, info=document["info"], groups=_groups(document), schemas=_schemas(document), document=DOCUMENT
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Pages(document=orjson.dumps(document), page=page.encode(), headers=headers)


def _marked(text: str) -> Markup:
    """A description with its names as code."""
    return Markup(_NAMED.sub(lambda name: f"<code>{name[1] or name[2]}</code>", str(escape(text))))  # noqa: S704 - escaped


def _groups(document: Mapping[str, Any]) -> list[tuple[str, list[Shown]]]:
    shown = [
        _shown(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method != "head"
    ]
    return [(tag, list(group)) for tag, group in groupby(shown, key=lambda operation: operation.tag)]


def _shown(path: str, method: str, operation: Mapping[str, Any]) -> Shown:
    parameters = [
        Field(
            given["name"], list(_words(given["schema"])), given["required"], _note(given["schema"]), place=given["in"]
        )
        for given in operation["parameters"]
    ]
    return Shown(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        tag=operation["tags"][0],
        summary=operation["summary"],
        note=operation.get("description", ""),
        parameters=parameters,
        bodies=_contents(operation.get("requestBody", {})),
        replies=_contents(operation["responses"]["200"]),
    )


def _contents(holder: Mapping[str, Any]) -> dict[str, list[Words]]:
    return {kind: list(_words(content["schema"])) for kind, content in holder.get("content", {}).items()}


def _schemas(document: Mapping[str, Any]) -> dict[str, tuple[str, list[Field]]]:
    """What each schema is, and its fields."""
    return {
        name: (schema.get("description", ""), list(_fields(schema)))
        for name, schema in sorted(document["components"]["schemas"].items())
    }


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield Field(name, list(_words(field)), name in required, _note(field))


def _words(schema: Mapping[str, Any]) -> Iterator[Words]:
    """What a schema's type is called."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        yield Words(name, name)
    elif "anyOf" in schema:
        for number, one in enumerate(schema["anyOf"]):
            yield from [Words(" or ")] if number else []
            yield from _words(one)
    elif "enum" in schema:
        yield Words(", ".join(map(str, schema["enum"])))
    elif schema.get("type") == "array":
        yield Words("list of ")
        yield from _words(schema["items"])
    elif "properties" in schema:
        yield Words(", ".join(schema["properties"]))
    else:
        yield Words("file" if schema.get("format") == "binary" else schema.get("type", "any"))


_LIMITS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxLength": "at most {} characters",
    "default": "default {}",
}


def _note(schema: Mapping[str, Any]) -> str:
    limits = (words.format(schema[name]) for name, words in _LIMITS.items() if schema.get(name) not in (None, [], ""))
    return " · ".join(filter(None, (schema.get("description"), *limits)))
