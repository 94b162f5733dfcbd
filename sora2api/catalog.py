"""The catalog: public model names, what each makes, its defaults and limits, and who could serve it."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.accounts import Account, Need, Pool
from sora2api.errors import InvalidValue, MissingParameter, ModelNotFound, NoEngine
from sora2api.modes import Cost, Kind, Model
from sora2api.registry import Registry
from sora2api.store.database import Database, bump
from sora2api.store.tables import models

LANDSCAPE: Final = "1280x720"
PORTRAIT: Final = "720x1280"
LONGEST: Final = 120.0
SIZE: Final = re.compile("[1-9][0-9]{1,3}x[1-9][0-9]{1,3}")
_LONGEST_NAME: Final = 200
_SORA_2: Final = (PORTRAIT, LANDSCAPE, "1024x1792", "1792x1024")
_SORA_2_PRO: Final = (*_SORA_2, "1080x1920", "1920x1080")


_CAPABILITIES: Final[dict[Kind, frozenset[str]]] = {
    "image": frozenset({"image", "image_edit", "mask"}),
    "video": frozenset({"clip", "first_frame", "references", "remix", "edit", "extend", "characters", "shots"}),
}


def _image(name: str, size: str, *aliases: str) -> Model:
    return Model(name=name, makes="image", size=size, aliases=aliases)


def _video(name: str, size: str, seconds: float, *aliases: str, sizes: tuple[str, ...] = ()) -> Model:
    return Model(
        name=name, makes="video", size=size, seconds=seconds, max_seconds=LONGEST, sizes=sizes, aliases=aliases
    )


BUILT_IN: Final = (
    _image("sora-image", "360x360"),
    _image("sora-image-landscape", "540x360"),
    _image("sora-image-portrait", "360x540"),
    _video("sora-video-10s", LANDSCAPE, 10),
    _video("sora-video-15s", LANDSCAPE, 15),
    _video("sora-video-landscape-10s", LANDSCAPE, 10),
    _video("sora-video-landscape-15s", LANDSCAPE, 15),
    _video("sora-video-portrait-10s", PORTRAIT, 10),
    _video("sora-video-portrait-15s", PORTRAIT, 15),
    # the names that came before and after those
    _video("sora-video", LANDSCAPE, 10, "sora-video-landscape"),
    _video("sora-video-portrait", PORTRAIT, 10),
    _image("gpt-image", "360x360"),
    _image("gpt-image-landscape", "540x360"),
    _image("gpt-image-portrait", "360x540"),
    *(
        _video(f"{family}-{shape}-{seconds}s", size, seconds)
        for family, seconds_offered in (("sora2", (10, 15, 25)), ("sora2pro", (10, 15, 25)))
        for shape, size in (("landscape", LANDSCAPE), ("portrait", PORTRAIT))
        for seconds in seconds_offered
    ),
    *(
        _video(f"sora2pro-hd-{shape}-{seconds}s", size, seconds)
        for shape, size in (("landscape", "1792x1024"), ("portrait", "1024x1792"))
        for seconds in (10, 15)
    ),
    # those of OpenAI's image models and of the Videos API
    _image("gpt-image-2", "1024x1024", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"),
    _video("sora-2", PORTRAIT, 4, "sora-2-2025-10-06", "sora-2-2025-12-08", sizes=_SORA_2),
    _video("sora-2-pro", PORTRAIT, 4, "sora-2-pro-2025-10-06", sizes=_SORA_2_PRO),
)


class ModelBook:
    """The models by name: built in, brought by modes, and those of the operator, who has the last word."""

    def __init__(self, registry: Registry, database: Database) -> None:
        self._database = database
        self._brought = [model for mode in registry.modes.values() for model in mode.models]
        self._models: dict[str, Model] = {}
        self._names: dict[str, str] = {}
        self._loading = asyncio.Lock()
        self.own: frozenset[str] = frozenset()
        """The names of those that the operator has a word on."""

    async def load(self) -> None:
        async with self._loading:  # one at a time, so that an older picture never lands on a newer one
            async with self._database.reading() as connection:
                rows = (await connection.execute(select(models.c.entry))).scalars().all()
            self._take([msgspec.json.decode(entry, type=Model) for entry in rows])

    def _take(self, own: Sequence[Model]) -> None:
        self.own = frozenset(model.name for model in own)
        self._models = {model.name: model for model in (*BUILT_IN, *self._brought, *own)}
        aliases = {alias: model.name for model in self._models.values() for alias in model.aliases}
        self._names = aliases | {name: name for name in self._models}

    def all(self) -> Iterable[Model]:
        return self._models.values()

    def find(self, name: str) -> Model | None:
        """The model of a public name or alias."""
        return self._models.get(self._names.get(name, name))

    def resolve(self, name: str) -> Model:
        """The model of a public name or alias. Raises `ModelNotFound`."""
        model = self.find(name)
        if model is None:
            raise ModelNotFound(f"There is no model {name!r} here; GET /v1/models lists those that there are.")
        return model

    async def set(self, model: Model) -> None:
        """Let the name of *model* stand for it."""
        values = {"entry": msgspec.json.encode(model)}
        change = upsert(models).values(name=model.name, **values)
        change = change.on_conflict_do_update(index_elements=("name",), set_=values)

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(change)
            await bump(connection)

        await self._database.write(write)
        await self.load()

    async def unset(self, name: str) -> None:
        """Take back what the operator said of a model. Raises `ModelNotFound` where that is nothing."""

        async def write(connection: AsyncConnection) -> None:
            if not (await connection.execute(delete(models).where(models.c.name == name))).rowcount:
                raise ModelNotFound(f"Nothing is set for the model {name!r}.")
            await bump(connection)

        await self._database.write(write)
        await self.load()


class Serving(Struct, frozen=True):
    """An account that can serve a model, by which model of its engine, and what that can do."""

    account: Account
    model: str
    capabilities: Sequence[str]


class Catalog:
    """What the models are, and what the accounts in use can make by them."""

    def __init__(self, registry: Registry, pool: Pool, database: Database) -> None:
        self._pool = pool
        self._models = ModelBook(registry, database)

    async def load(self) -> None:
        await self._models.load()

    def all(self) -> Iterable[Model]:
        """All models, served or not."""
        return self._models.all()

    @property
    def own(self) -> frozenset[str]:
        """The names of the models that the operator has a word on."""
        return self._models.own

    def find(self, name: str) -> Model | None:
        """The model of a public name or alias."""
        return self._models.find(name)

    async def set(self, model: Model) -> None:
        """Let the name of *model* stand for it."""
        await self._models.set(model)

    async def unset(self, name: str) -> None:
        """Take back what the operator said of a model. Raises `ModelNotFound` where that is nothing."""
        await self._models.unset(name)

    def servers(self, model: Model) -> Sequence[Serving]:
        """What in use can make something by a *model*."""
        able = self._pool.candidates(_least(model, None))
        return [Serving(account, engine.name, tuple(sorted(engine.capabilities))) for account, engine in able]

    def serving(self, model: Model) -> int:
        """How many accounts those are."""
        return self._pool.able(_least(model, None))

    def resolve(self, name: str) -> Model:
        """The model of a public name or alias. Raises `ModelNotFound`."""
        return self._models.resolve(name)

    def served(self, model: Model, *, group: str | None = None) -> bool:
        """Whether an account in use, of that *group* where one is given, can make something by it."""
        return self._pool.could_serve(_least(model, group))

    def capabilities(self, model: Model, *, group: str | None = None) -> Sequence[str]:
        """What the engines in use (of a *group*) do with it by themselves, each at least at one of them."""
        able = (engine_model.capabilities for _, engine_model in self._pool.candidates(_least(model, group)))
        return sorted(frozenset[str]().union(*able) & _CAPABILITIES[model.makes])

    def check_served(self, model: Model, *, group: str | None = None) -> None:
        if not self.served(model, group=group):
            raise NoEngine(f"No account serves {model.name!r}: add one with `sora2api account add`, or in the panel.")

    def sandbox_in_use(self) -> bool:
        """Whether what is made now comes from the sandbox."""
        return self._pool.sandbox_in_use()

    def listed(self, *, group: str | None = None) -> Sequence[Model]:
        """The models that are served, by accounts of that *group* where one is given."""
        return [model for model in self._models.all() if self.served(model, group=group)]

    def fit(self, model: Model, *, size: str | None, seconds: float | None) -> tuple[str, float | None]:
        """The size and length that a request gets: its own where the model allows them, else the model's."""
        if size is not None and not SIZE.fullmatch(size):
            raise InvalidValue("`size` is WIDTHxHEIGHT in pixels, as in 1280x720.", param="size")
        if size is not None and model.sizes and size not in model.sizes:
            allowed = ", ".join(model.sizes)
            raise InvalidValue(f"{model.name} makes these sizes: {allowed}.", param="size")
        if seconds is not None and model.max_seconds is not None and seconds > model.max_seconds:
            raise InvalidValue(f"{model.name} makes videos of at most {model.max_seconds:g} s.", param="seconds")
        return size or model.size, None if model.makes == "image" else seconds or model.seconds

    def fit_change(
        self, model: Model, *, size: str | None, seconds: float | None, of_size: str, of_seconds: float | None
    ) -> tuple[str, float | None]:
        """As `fit`, of a change to a video *of_size* and *of_seconds*: what is not asked for is as there, if it can."""
        fitted, length = self.fit(model, size=size, seconds=seconds)
        if seconds is None and of_seconds is not None:
            length = min(of_seconds, model.max_seconds or of_seconds)
        return fitted if size else self.nearest(model, of_size), length

    def nearest(self, model: Model, size: str) -> str:
        """The *size* where the model makes it, else the one most like it: as wide or high, and about as large."""
        if not model.sizes or size in model.sizes:
            return size
        wide, area = _wide(size), _area(size)
        return min(model.sizes, key=lambda other: (_wide(other) != wide, abs(_area(other) - area)))


def revised(model: Model | None, name: str, changes: Mapping[str, Any]) -> Model:
    """The *model* of that *name*, or a new one, with the *changes*: fields of `Model`, and prices in millionths as
    `cost_per_second` and `cost_per_image`. What makes no model raises `InvalidValue` or `MissingParameter`.
    """
    fields = dict(changes)
    prices = {word: fields.pop(f"cost_{word}") or 0 for word in ("per_second", "per_image") if f"cost_{word}" in fields}
    said = [("size", fields["size"])] if "size" in fields else []
    for field, size in (*said, *(("sizes", size) for size in fields.get("sizes", ()))):
        if not SIZE.fullmatch(size):
            raise InvalidValue("A size is WIDTHxHEIGHT in pixels, as in 1280x720.", param=field)
    if model is None:
        model = _begun(name, fields)
    cost = msgspec.structs.replace(model.cost or Cost(), **prices)
    if "group" in fields:
        fields["group"] = fields["group"] or None
    if fields.get("makes", model.makes) == "image":
        fields |= {"seconds": None, "max_seconds": None}
    elif not fields.get("seconds", model.seconds):
        raise MissingParameter("A model that makes videos has `seconds`.", param="seconds")
    return msgspec.structs.replace(model, cost=None if cost == Cost() else cost, **fields)


def _begun(name: str, fields: Mapping[str, Any]) -> Model:
    """A new model, as far as it must be told at once."""
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidValue(f"A model's name has 1 to {_LONGEST_NAME} printable characters.", param="name")
    for field in ("makes", "size"):
        if not fields.get(field):
            raise MissingParameter(f"There is no model {name!r}: of a new one, say `{field}` too.", param=field)
    return Model(name=name, makes=fields["makes"], size=fields["size"])


def bound(model: Model, group: str | None) -> tuple[str, ...]:
    """The groups that an account must be in to make something by a *model* for a key bound to a *group*."""
    return tuple(sorted(one for one in {model.group, group} if one is not None))


def _least(model: Model, group: str | None) -> Need:
    """What an account must be able to do to make anything by the model."""
    return Need(
        model=model.name,
        slot=model.makes,
        capabilities=frozenset({"image" if model.makes == "image" else "clip"}),
        groups=bound(model, group),
    )


def _wide(size: str) -> bool:
    width, height = map(int, size.split("x"))
    return width >= height


def _area(size: str) -> int:
    width, height = map(int, size.split("x"))
    return width * height
