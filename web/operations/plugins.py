"""The plugins: modes, drivers and apps, with what became of each, and what they can be told."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from sora2api.registry import Plugin
from sora2api.web.operation import Desk, Nothing, Operation

_KINDS: Final = {"sora2api.modes": "mode", "sora2api.drivers": "driver", "sora2api.apps": "app"}


class FieldView(Struct, frozen=True, kw_only=True):
    """A setting or a parameter: *type* in the words of JSON, *default* as JSON, null where it must be given."""

    name: str
    type: str
    default: str | None
    description: str


class PluginView(Struct, frozen=True, kw_only=True):
    """A plugin. *kind*: `mode`, `driver`, `app`, or `directory` for a file that could not be read. *reason*: why it is
    set aside. *priority*, *models* and *parameters* (of a request's body) are a mode's.
    """

    kind: str
    name: str
    distribution: str
    version: str
    ready: bool
    reason: str | None
    priority: int | None
    models: tuple[str, ...]
    settings: tuple[FieldView, ...]
    parameters: tuple[FieldView, ...]


class PluginList(Struct, frozen=True):
    plugins: tuple[PluginView, ...]


async def list_plugins(desk: Desk, _asked: Nothing) -> PluginList:
    """Those set aside first, then modes in the order in which they are asked, drivers and apps."""
    views = [_view(desk, plugin) for plugin in desk.office.registry.plugins]
    order = (*_KINDS.values(), "directory")
    views.sort(key=lambda view: (view.ready, order.index(view.kind), -(view.priority or 0), view.name))
    return PluginList(tuple(views))


def _view(desk: Desk, plugin: Plugin) -> PluginView:
    registry = desk.office.registry
    ready = plugin.status == "ready"
    kind = _KINDS.get(plugin.group, plugin.group)
    mode = registry.modes.get(plugin.name) if ready and kind == "mode" else None
    driver = registry.drivers.get(plugin.name) if ready and kind == "driver" else None
    settings = mode.settings_type if mode else driver.settings_type if driver else None
    return PluginView(
        kind=kind,
        name=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        ready=ready,
        reason=plugin.reason,
        priority=None if mode is None else mode.priority,
        models=() if mode is None else tuple(model.name for model in mode.models),
        settings=tuple(_fields(settings)),
        parameters=tuple(_fields(None if mode is None else mode.parameters)),
    )


def _fields(kind: type[Struct] | None) -> Iterator[FieldView]:
    """The fields of a struct, as its JSON schema tells them."""
    if kind is None:
        return
    schema = msgspec.json.schema(kind)
    properties: Mapping[str, Any] = schema["$defs"][kind.__name__].get("properties", {})
    for name, told in properties.items():
        yield FieldView(
            name=name,
            type=_type(told),
            default=msgspec.json.encode(told["default"]).decode() if "default" in told else None,
            description=told.get("description", ""),
        )


def _type(told: Mapping[str, Any]) -> str:
    if "enum" in told:
        return " | ".join(msgspec.json.encode(each).decode() for each in told["enum"])
    if "anyOf" in told:
        return " | ".join(_type(each) for each in told["anyOf"])
    return str(told.get("type", "object"))


TABLE = (
    Operation(
        name="plugins.list",
        method="GET",
        path="/plugins",
        summary="List the modes, drivers and apps, those set aside among them",
        does=list_plugins,
        gives=PluginList,
    ),
)
