"""GET /v1/models: what can be asked for here and now."""

from typing import Any

from aiohttp import web

from sora2api.api.replies import reply
from sora2api.api.services import KEY, SERVICES
from sora2api.catalog import Catalog
from sora2api.errors import ModelNotAllowed
from sora2api.modes import Model

_CREATED = 1759276800  # the day Sora 2 came out, 2025-10-01: the names are as old as that


async def list_models(request: web.Request) -> web.StreamResponse:
    """The models that are served, as far as the key may ask for them."""
    catalog, limits = request.config_dict[SERVICES].catalog, request[KEY].limits
    served = catalog.listed(group=limits.group)
    allowed = [model for model in served if limits.allow_model(model.name, *model.aliases)]
    return reply({"object": "list", "data": [_model(model, catalog, limits.group) for model in allowed]})


async def get_model(request: web.Request) -> web.StreamResponse:
    catalog, limits = request.config_dict[SERVICES].catalog, request[KEY].limits
    model = catalog.resolve(request.match_info["id"])
    if not limits.allow_model(model.name, *model.aliases):
        raise ModelNotAllowed(param="model")
    catalog.check_served(model, group=limits.group)
    return reply(_model(model, catalog, limits.group))


def _model(model: Model, catalog: Catalog, group: str | None) -> dict[str, Any]:
    """OpenAI's Model; as our own, what it makes by default, and what the engines in use do with it by themselves."""
    makes: dict[str, Any] = {"kind": model.makes, "size": model.size}
    if model.seconds is not None:
        makes["seconds"] = model.seconds
    return {
        "id": model.name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "sora2api",
        "makes": makes,
        "capabilities": catalog.capabilities(model, group=group),
        "description": model.description or _words(model),
    }


def _words(model: Model) -> str:
    length = f", {model.seconds:g} s" if model.seconds is not None else ""
    return f"{model.makes}, {model.size.replace('x', '×')}{length}"
