"""The OpenAPI 3.1 document, made from the table of paths and the structs that decode bodies."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from sora2api import __version__
from sora2api.api.middlewares import Handler
from sora2api.api.shapes import Error

MEDIA: Final = ("video/*", "image/*")
"""The reply is a file."""
EVENTS: Final = ("text/event-stream",)
"""The reply is a stream of events."""
_REF: Final = "#/components/schemas/"
_TEMPLATE: Final = f"{_REF}{{name}}"
_PARAMETER: Final = re.compile(r"{(\w+)(?::[^}]*)?}")
_BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
_EVENT: Final[dict[str, Any]] = {
    "description": "One of the stream's events; its data is JSON, in a chat at last `[DONE]`.",
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
_ABOUT: Final = (
    "Images and videos in OpenAI's wire format. All paths also stand under /openai/v1, which code written for Azure "
    "asks for. Fields that are not known are passed over, but those that modes declare, and `seed`, `negative_prompt`, "
    "`fps`, `num_frames`, `num_inference_steps` and `guidance_scale`, which go on to the engine."
)


class Operation(Struct, frozen=True):
    """A path with its method and handler, and what is told of them.

    *reply* is a struct, or the media types of what is none; a *streamed* one is a stream where the body asks for it. A
    *body* with *files*, the names of fields that take files, may be JSON or a form; without *json* it is a form, and
    has those files.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    reply: type[Struct] | tuple[str, ...]
    body: type[Struct] | None = None
    files: tuple[str, ...] = ()
    json: bool = True
    query: type[Struct] | None = None
    headers: type[Struct] | None = None
    streamed: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """A file may be asked for with HEAD, too."""
        return ("GET", "HEAD") if self.reply == MEDIA else (self.method,)

    def structs(self) -> Iterator[type[Struct]]:
        yield from (struct for struct in (self.body, self.reply) if isinstance(struct, type))


def document(operations: Sequence[Operation], *, prefix: str) -> dict[str, Any]:
    """The document of the *operations*, whose paths begin with *prefix*."""
    structs = dict.fromkeys(struct for operation in operations for struct in operation.structs())
    _, schemas = msgspec.json.schema_components([Error, *structs], ref_template=_TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = prefix + _PARAMETER.sub(r"{\1}", operation.path)
        for method in operation.methods:
            paths.setdefault(path, {})[method.lower()] = _described(operation, method, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "sora2api", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"api-key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Error": _reply("An error.", {"application/json": {"schema": _ref(Error)}})},
            "headers": {"x-request-id": {"schema": {"type": "string"}, "required": True}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
            },
        },
    }


def joined(document: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The *document* with the paths of the *other*, and its components of each kind."""
    components = document["components"]
    added = {kind: components.get(kind, {}) | named for kind, named in other["components"].items()}
    return {**document, "paths": document["paths"] | other["paths"], "components": components | added}


def _described(operation: Operation, method: str, schemas: Mapping[str, Any]) -> dict[str, Any]:
    name = (
        operation.handler.__name__ if method == operation.method else f"{method.lower()}_{operation.handler.__name__}"
    )
    errors = ("401", *(("404",) if "{" in operation.path else ()), "4XX", "5XX")
    described: dict[str, Any] = {
        "operationId": name if method == operation.method else f"{method.lower()}_{name}",
        "summary": operation.summary,
        "tags": [_tag(operation.path)],
        "parameters": list(_parameters(operation)),
        "responses": _success(operation, method)
        | {status: {"$ref": "#/components/responses/Error"} for status in errors},
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _body(operation, operation.body, schemas)}
    return described


def _tag(path: str) -> str:
    first = path.split("/")[1]
    return "webhooks" if first.startswith("webhook_") else first


def _success(operation: Operation, method: str) -> dict[str, Any]:
    if operation.reply == MEDIA:
        return _file(method)
    if isinstance(operation.reply, tuple):
        return {"200": _reply("The events.", {kind: {"schema": _EVENT} for kind in operation.reply})}
    content = {"application/json": {"schema": _ref(operation.reply)}}
    if operation.streamed:
        content["text/event-stream"] = {"schema": _EVENT}
    return {"200": _reply(f"{operation.reply.__name__}.", content)}


def _file(method: str) -> dict[str, Any]:
    content = {} if method == "HEAD" else {kind: {"schema": _BINARY} for kind in MEDIA}
    replies = {"200": "The file.", "206": "The part that `Range` asks for."}
    found = _reply("Where the file is, on servers that say so.", {})
    return {status: _reply(words, content) for status, words in replies.items()} | {"302": found}


def _reply(description: str, content: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    return {"description": description, "headers": headers} | ({"content": dict(content)} if content else {})


def _body(operation: Operation, body: type[Struct], schemas: Mapping[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref(body)}} if operation.json else {}
    if operation.files:
        content["multipart/form-data"] = {"schema": _form(operation, schemas[body.__name__])}
    return content


def _form(operation: Operation, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields in a form, where some take files; `a[]` is a list of them."""
    files = {name: {"type": "array", "items": _BINARY} if name.endswith("[]") else _BINARY for name in operation.files}
    required = schema["required"] if operation.json else [*schema["required"], *operation.files]
    return {"type": "object", "properties": schema["properties"] | files, "required": required}


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for place, struct in (("query", operation.query), ("header", operation.headers)):
        if struct is not None:
            for name, schema in _fields(struct).items():
                yield {"name": name, "in": place, "required": False, "schema": schema}


def _fields(struct: type[Struct]) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.schema(struct)["$defs"][struct.__name__]["properties"]
    return fields


def _ref(struct: type[Struct]) -> dict[str, Any]:
    return {"$ref": _REF + struct.__name__}
