"""What the OpenAPI document tells of the admin API, made from the table of operations."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sora2api.web import api
from sora2api.web.operation import Download, Operation
from sora2api.web.panel import ROOT
from sora2api.web.table import TABLE
from sora2api.web.uploads import OPERATION, ROLE, Uploaded

_NAME: Final = "admin."
"""What all names begin with: the API has names too, in the same document."""
_REF: Final = "#/components/schemas/"
_TEMPLATE: Final = f"{_REF}{_NAME}{{name}}"
_PARAMETER: Final = re.compile(r"{(\w+)}")
_SECURITY: Final = "panel-key"
_ERRORS: Final = {status: {"$ref": "#/components/responses/Error"} for status in ("401", "403", "4XX", "5XX")}
"""Of the API's part of the document: errors have one form in all of the server."""
_BINARY: Final = {"type": "string", "format": "binary"}
_TEXT: Final = {"type": "string"}

Schema = dict[str, Any]


def described() -> dict[str, Any]:
    """The paths of the admin API, and the components that they name."""
    asked = dict.fromkeys(operation.takes for operation in TABLE)
    given = dict.fromkeys([Uploaded, *(operation.gives for operation in TABLE if operation.gives is not Download)])
    told, found = msgspec.json.schema_components([*asked, *given], ref_template=_TEMPLATE)
    schemas = dict(zip((*asked, *given), told, strict=True))
    components = {_NAME + name: schema for name, schema in found.items()}
    names = {struct: schemas[struct]["$ref"].removeprefix(_REF) for struct in asked}
    fields = {struct: components[name] for struct, name in names.items()}
    for struct in asked.keys() - given.keys():  # bodies are named after their operation
        del components[names[struct]]
    root = ROOT + api.ROOT
    paths: dict[str, dict[str, Any]] = {root + api.UPLOADS: {"post": _upload(schemas[Uploaded])}}
    for operation in TABLE:
        taken = fields[operation.takes]
        about = _told(operation, schemas) | {"parameters": _parameters(operation, taken)}
        if body := _body(operation, taken):
            components[_NAME + operation.name] = body
            about["requestBody"] = _requested(operation, required=bool(body["required"]))
        paths.setdefault(root + operation.path, {})[operation.method.lower()] = about
    scheme = {"type": "http", "scheme": "bearer", "description": "A panel key."}
    return {
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": components, "securitySchemes": {_SECURITY: scheme}},
    }


def _told(operation: Operation, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    content = {"application/json": schemas[operation.gives]} if operation.gives is not Download else {"*/*": _TEXT}
    return _about(operation.name, operation.path, operation.summary, operation.role, content)


def _about(name: str, path: str, summary: str, role: str, content: Mapping[str, Schema]) -> dict[str, Any]:
    return {
        "operationId": _NAME + name,
        "summary": summary,
        "description": f"Needs the role {role}, or one above it.",
        "tags": [f"admin: {path.split('/')[1]}"],
        "security": [{_SECURITY: []}],
        "responses": {"200": {"description": "Done.", "content": _typed(content)}} | _ERRORS,
    }


def _parameters(operation: Operation, taken: Schema) -> list[dict[str, Any]]:
    """What is in the path and, of a GET, the query; all other methods have the rest in the body."""
    fields, required = taken["properties"], taken.get("required", ())
    in_path = _PARAMETER.findall(operation.path)
    found = [_parameter(name, "path", fields[name], required=True) for name in in_path]
    if operation.method == "GET":
        rest = (name for name in fields if name not in in_path)
        found += [_parameter(name, "query", fields[name], required=name in required) for name in rest]
    return found


def _parameter(name: str, place: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _body(operation: Operation, taken: Schema) -> Schema | None:
    """The schema of what is asked for beside the path; None: nothing."""
    in_path = _PARAMETER.findall(operation.path)
    rest = {name: field for name, field in taken["properties"].items() if name not in in_path}
    if operation.method == "GET" or not rest:
        return None
    return taken | {"properties": rest, "required": [name for name in taken.get("required", ()) if name in rest]}


def _requested(operation: Operation, *, required: bool) -> dict[str, Any]:
    content = {"application/json": {"$ref": _TEMPLATE.format(name=operation.name)}}
    return {"required": required, "content": _typed(content)}


def _upload(uploaded: Schema) -> dict[str, Any]:
    """The one path whose body is a file."""
    summary = "Send an image or a video for the studio, as the body"
    told = _about(OPERATION, api.UPLOADS, summary, ROLE, {"application/json": uploaded})
    body = {"required": True, "content": _typed(dict.fromkeys(("image/*", "video/*"), _BINARY))}
    query = [_parameter(name, "query", _TEXT, required=False) for name in ("key", "name")]
    return told | {"parameters": query, "requestBody": body}


def _typed(content: Mapping[str, Schema]) -> dict[str, Any]:
    """What a body is, by its media type."""
    return {kind: {"schema": schema} for kind, schema in content.items()}
