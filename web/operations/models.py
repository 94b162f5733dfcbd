"""The catalog of models: what each makes, what it costs, who would serve it, and the operator's word on it."""

from collections.abc import Mapping
from heapq import nsmallest
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sora2api.catalog import BUILT_IN, revised
from sora2api.modes import Kind, Model
from sora2api.web.operation import Change, Desk, Operation
from sora2api.web.words import N_

_MILLION: Final = 1_000_000
_SHOWN: Final = 20
_PRICES: Final = ("per_second", "per_image")


class ModelView(Struct, frozen=True, kw_only=True):
    """A model. Costs are in your currency. *origin*: where it comes from, a *mode* by its name; *set*: you have a word
    on it. *serving*: how many accounts could serve it now.
    """

    name: str
    makes: Kind
    size: str
    seconds: float | None
    max_seconds: float | None
    sizes: tuple[str, ...]
    aliases: tuple[str, ...]
    description: str
    cost_per_second: float | None
    cost_per_image: float | None
    group: str | None
    origin: Literal["built_in", "mode", "own"]
    mode: str | None
    set: bool
    serving: int


class ModelList(Struct, frozen=True):
    models: tuple[ModelView, ...]


class ModelsAsked(Struct, frozen=True, kw_only=True):
    """*search* is part of a name or an alias."""

    search: str = ""
    makes: Kind | None = None


class ModelName(Struct, frozen=True):
    name: str


class Server(Struct, frozen=True, kw_only=True):
    """An account that would serve a model, and by which model of its engine."""

    id: str
    account: str
    engine_model: str
    capabilities: tuple[str, ...]


class ModelDetails(Struct, frozen=True):
    """*servers* are the first by name, at most 20."""

    model: ModelView
    servers: tuple[Server, ...]


class ModelSet(Struct, frozen=True, kw_only=True):
    """The fields that are given are set; of a new model, say `makes`, `size`, and of a video `seconds`."""

    name: str
    makes: Kind | UnsetType = UNSET
    size: str | UnsetType = UNSET
    seconds: float | UnsetType | None = UNSET
    max_seconds: float | UnsetType | None = UNSET
    sizes: tuple[str, ...] | UnsetType = UNSET
    aliases: tuple[str, ...] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    cost_per_second: float | UnsetType | None = UNSET
    cost_per_image: float | UnsetType | None = UNSET
    group: str | UnsetType | None = UNSET


async def list_models(desk: Desk, asked: ModelsAsked) -> ModelList:
    word = asked.search.strip().lower()
    found = sorted(desk.office.catalog.all(), key=lambda model: (model.makes, model.name))
    wanted = (model for model in found if asked.makes in (None, model.makes) and _matches(model, word))
    brought = _brought(desk)
    return ModelList(tuple(_view(desk, model, brought) for model in wanted))


async def get_model(desk: Desk, asked: ModelName) -> ModelDetails:
    model = desk.office.catalog.resolve(asked.name)
    serving = nsmallest(_SHOWN, desk.office.catalog.servers(model), key=lambda each: each.account.name)
    servers = (
        Server(
            id=each.account.id,
            account=each.account.name,
            engine_model=each.model,
            capabilities=tuple(each.capabilities),
        )
        for each in serving
    )
    return ModelDetails(_view(desk, model, _brought(desk)), tuple(servers))


async def set_model(desk: Desk, asked: ModelSet) -> Change:
    catalog = desk.office.catalog
    changes = {name: value for name, value in msgspec.structs.asdict(asked).items() if value is not UNSET}
    for price in (f"cost_{each}" for each in _PRICES):
        if changes.get(price) is not None:
            changes[price] = round(changes[price] * _MILLION)
    before = catalog.find(changes.pop("name"))
    after = revised(before, asked.name, changes)
    was = None if before is None else _view(desk, before, _brought(desk))
    await catalog.set(after)
    is_now = _view(desk, after, _brought(desk))
    return Change(subject=after.name, value=is_now, before=was, after=is_now)


async def unset_model(desk: Desk, asked: ModelName) -> Change:
    catalog = desk.office.catalog
    before = _view(desk, catalog.resolve(asked.name), _brought(desk))
    await catalog.unset(before.name)
    left = catalog.find(before.name)
    after = None if left is None else _view(desk, left, _brought(desk))
    return Change(subject=before.name, value=after, before=before, after=after)


def _matches(model: Model, word: str) -> bool:
    return any(word in name.lower() for name in (model.name, *model.aliases))


def _brought(desk: Desk) -> Mapping[str, str]:
    """The modes that bring models, by the models' names."""
    modes = desk.office.registry.modes
    return {model.name: name for name, mode in modes.items() for model in mode.models}


_BUILT_IN: Final = frozenset(model.name for model in BUILT_IN)


def _view(desk: Desk, model: Model, brought: Mapping[str, str]) -> ModelView:
    catalog = desk.office.catalog
    mode = brought.get(model.name)
    plain: dict[str, Any] = {
        name: getattr(model, name) for name in Model.__struct_fields__ if name in ModelView.__struct_fields__
    }
    return ModelView(
        **plain,
        cost_per_second=model.cost.per_second / _MILLION or None if model.cost else None,
        cost_per_image=model.cost.per_image / _MILLION or None if model.cost else None,
        origin="mode" if mode else "built_in" if model.name in _BUILT_IN else "own",
        mode=mode,
        set=model.name in catalog.own,
        serving=catalog.serving(model),
    )


TABLE = (
    Operation(
        name="models.list",
        method="GET",
        path="/models",
        summary="List the models, served or not",
        does=list_models,
        takes=ModelsAsked,
        gives=ModelList,
    ),
    Operation(
        name="models.get",
        method="GET",
        path="/models/{name}",
        summary="Show a model, by any of its names, and the accounts that would serve it",
        does=get_model,
        takes=ModelName,
        gives=ModelDetails,
    ),
    Operation(
        name="models.set",
        method="PATCH",
        path="/models/{name}",
        summary="Set something of a model, or make one of your own",
        does=set_model,
        takes=ModelSet,
        gives=ModelView,
        role="operator",
        done=N_("{subject} is set."),
    ),
    Operation(
        name="models.unset",
        method="DELETE",
        path="/models/{name}",
        summary="Take back all that was set of a model; one of your own is gone then",
        does=unset_model,
        takes=ModelName,
        gives=ModelView | None,
        role="operator",
        done=N_("What was set of {subject} is taken back."),
    ),
)
