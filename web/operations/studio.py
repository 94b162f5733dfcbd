"""The studio: understanding what is asked for, making it for an API key, and what was made."""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Final

from msgspec import Meta, Struct

from sora2api.auth.first_start import DEFAULT_KEY
from sora2api.auth.limits import UNLIMITED, Limits
from sora2api.errors import InvalidValue, NotFound, Sora2ApiError
from sora2api.jobs.browsing import Filters
from sora2api.jobs.intake import Outline
from sora2api.media.store import Arrival
from sora2api.modes import (
    SHARE_ID,
    Change,
    Extend,
    Kind,
    Media,
    Model,
    Request,
    Shot,
    Shots,
    mentions,
    unstyled,
)
from sora2api.web import code
from sora2api.web.operation import Change as Changed
from sora2api.web.operation import Desk, Operation
from sora2api.web.operations.studio_shown import Made, StudioHistory, card, made
from sora2api.web.sentences import say
from sora2api.web.words import N_

_SHOWN: Final = {"image": "image/png", "video": "video/mp4"}
_MOST_CHARACTERS: Final = 48


class Wish(Struct, frozen=True, kw_only=True):
    """What shall be made. *key* is the id of the API key that it is made for; null: the first one.

    *size* and *seconds* not given are the model's. *source* is the video to remix, by its id or share id.
    """

    prompt: Annotated[str, Meta(max_length=32_000)] = ""
    model: str
    key: str | None = None
    size: str | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=10)] = 1
    source: str | None = None


class StudioMake(Wish, frozen=True, kw_only=True):
    """*files* are the ids of files of that key: images to begin with or to change, a video to make a character of."""

    files: tuple[str, ...] = ()


class StudioSketch(Wish, frozen=True, kw_only=True):
    """*images* and *videos* are the names of files that would come with it."""

    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()


class Mentioned(Struct, frozen=True):
    """An `@name` of the prompt; one that is not *known* is just text."""

    name: str
    known: bool


class Trouble(Struct, frozen=True):
    code: str
    message: str
    param: str | None


class Understood(Struct, frozen=True, kw_only=True):
    """What would be made. *mode* is null where there is *trouble*; *shots* are those of a storyboard."""

    mode: str | None = None
    makes: Kind | None = None
    size: str | None = None
    seconds: float | None = None
    shots: tuple[Shot, ...] = ()
    characters: tuple[Mentioned, ...] = ()
    style: str = ""
    source: str | None = None
    trouble: Trouble | None = None


class Code(Struct, frozen=True):
    """The same request in several languages."""

    snippets: tuple[code.Snippet, ...]


class StudioKey(Struct, frozen=True):
    id: str
    name: str


class StudioModel(Struct, frozen=True, kw_only=True):
    """A model that can be asked for now. No *sizes*: any."""

    name: str
    makes: Kind
    size: str
    sizes: tuple[str, ...]
    seconds: float | None
    max_seconds: float | None


class Choices(Struct, frozen=True):
    """The API keys that things can be made for, the first of them unless another is named; and models."""

    keys: tuple[StudioKey, ...]
    models: tuple[StudioModel, ...]


class StudioCharacter(Struct, frozen=True, kw_only=True):
    """Somebody who can be shown, as `@name`. *image* is the path of a picture."""

    id: str
    name: str
    display_name: str
    image: str | None


class Cast(Struct, frozen=True):
    characters: tuple[StudioCharacter, ...]


class OfKey(Struct, frozen=True):
    key: str | None = None


class HistoryAsked(Struct, frozen=True, kw_only=True):
    """*key*: only what was made for it; *after*: the `next` of the page before."""

    key: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 24


class JobId(Struct, frozen=True):
    id: str


class Using(Struct, frozen=True):
    """The key that something is made for."""

    id: str
    name: str
    limits: Limits


async def get_choices(desk: Desk, asked: OfKey) -> Choices:
    keys = usable(desk)
    limits = using(desk, asked.key).limits if keys else UNLIMITED
    models = desk.office.catalog.listed(group=limits.group)
    return Choices(
        tuple(StudioKey(key.id, key.name) for key in keys),
        tuple(_model(model) for model in models if limits.allow_model(model.name, *model.aliases)),
    )


async def list_characters(desk: Desk, asked: OfKey) -> Cast:
    owner = using(desk, asked.key).id
    found, _more = await desk.office.jobs.characters(owner=owner, after=None, limit=_MOST_CHARACTERS, ascending=False)
    return Cast(
        tuple(
            StudioCharacter(
                id=each.character.id,
                name=each.character.name,
                display_name=each.character.display_name,
                image=next(map(desk.office.links.path, each.character.images), None),
            )
            for each in found
        )
    )


async def understand(desk: Desk, asked: StudioSketch) -> Understood:
    """Asked while words are typed: what is wrong with them so far is part of the answer."""
    style = unstyled(asked.prompt)[1]
    try:
        key = using(desk, asked.key)
        outline = await desk.office.jobs.outline(await _request(desk, asked, key, _stand_ins(asked)), limits=key.limits)
    except Sora2ApiError as error:
        return Understood(style=style, trouble=Trouble(error.code, say(error.message), error.param))
    made = outline.makes()
    return Understood(
        mode=outline.mode.name,
        makes=outline.model.makes,
        size=outline.size,
        seconds=outline.seconds,
        shots=made.shots if isinstance(made, Shots) else (),
        characters=_mentioned(asked.prompt, outline),
        style=style,
        source=made.source.video if isinstance(made, Change | Extend) else None,
    )


async def write_code(desk: Desk, asked: StudioSketch) -> Code:
    model = desk.office.catalog.resolve(asked.model)
    size, seconds = asked.size, asked.seconds
    if asked.source is not None and SHARE_ID.fullmatch(asked.source):
        size, seconds = await _form(desk, asked, model, using(desk, asked.key))
    call = code.Call(
        base=desk.base,
        makes=model.makes,
        model=asked.model,
        prompt=asked.prompt,
        size=size,
        seconds=seconds,
        n=asked.n,
        source=asked.source,
        images=asked.images,
        videos=asked.videos,
    )
    return Code(code.snippets(call))


async def make(desk: Desk, asked: StudioMake) -> Changed:
    """As a client of that key would: within its limits, and its own."""
    office, key = desk.office, using(desk, asked.key)
    office.jobs.check_open()
    async with AsyncExitStack() as stack:
        arrivals = await _arrivals(desk, stack, asked.files, owner=key.id)
        request = await _request(desk, asked, key, [arrival.media for arrival in arrivals])
        job = await office.jobs.take(request, arrivals, limits=key.limits)
    for file_id in asked.files:
        await office.files.delete(file_id, owner=key.id)
    return Changed(subject=job.id, value=await made(desk, job), after={"key": key.name, "model": job.model})


async def get_made(desk: Desk, asked: JobId) -> Made:
    return await made(desk, await desk.office.jobs.get(asked.id))


async def list_made(desk: Desk, asked: HistoryAsked) -> StudioHistory:
    browsing = desk.office.browsing
    after = None if asked.after is None else await browsing.cursor(asked.after)
    page = await browsing.page(Filters(owner=asked.key), after=after, limit=asked.limit)
    return StudioHistory(tuple(card(desk, job) for job in page.jobs), page.older and page.older[1])


# For whom, and what.


def usable(desk: Desk) -> Sequence[Using]:
    """The keys that something can be made for: the default one as long as it holds, then those in force."""
    now = time.time()
    listed = [key for key in desk.office.keys.list() if key.expires_at is None or key.expires_at > now]
    default = [DEFAULT_KEY] if desk.office.first_start.holds else []
    return [Using(key.id, key.name, key.limits) for key in (*default, *listed)]


def using(desk: Desk, key_id: str | None) -> Using:
    keys = usable(desk)
    if not keys:
        raise InvalidValue(
            "There is no API key yet, and all that is made belongs to one: make a key first.", param="key"
        )
    found = next((key for key in keys if key_id in (None, key.id)), None)
    if found is None:
        raise InvalidValue("There is no such API key, or its time is over.", param="key")
    return found


def _model(model: Model) -> StudioModel:
    return StudioModel(
        name=model.name,
        makes=model.makes,
        size=model.size,
        sizes=model.sizes,
        seconds=model.seconds,
        max_seconds=model.max_seconds,
    )


async def _request(desk: Desk, wish: Wish, key: Using, files: Sequence[Media]) -> Request:
    model = desk.office.catalog.resolve(wish.model)
    desk.office.catalog.check_served(model)
    size, seconds = await _form(desk, wish, model, key)
    return Request(
        operation="make" if wish.source is None else "remix",
        model=wish.model,
        makes=model.makes,
        prompt=wish.prompt,
        size=size,
        seconds=seconds,
        n=wish.n,
        images=tuple(media for media in files if media.kind == "image"),
        videos=tuple(media for media in files if media.kind == "video"),
        source=wish.source,
        owner=key.id,
    )


async def _form(desk: Desk, wish: Wish, model: Model, key: Using) -> tuple[str, float | None]:
    """The size and length: as asked for, else those of the video that is changed, else the model's."""
    catalog, jobs = desk.office.catalog, desk.office.jobs
    if wish.source is None:
        return catalog.fit(model, size=wish.size, seconds=wish.seconds)
    shared = SHARE_ID.fullmatch(wish.source) is not None
    source = await jobs.shared(wish.source) if shared else await jobs.get(wish.source, owner=key.id)
    return catalog.fit_change(
        model, size=wish.size, seconds=wish.seconds, of_size=source.size, of_seconds=source.seconds
    )


async def _arrivals(desk: Desk, stack: AsyncExitStack, files: Sequence[str], *, owner: str) -> Sequence[Arrival]:
    """Kept files as a request's own inputs, which stay when the others go."""
    folder = stack.enter_context(desk.office.store.scratch())
    arrivals = []
    for number, file_id in enumerate(files):
        try:
            kept = await desk.office.files.get(file_id, owner=owner)
        except NotFound as error:
            raise InvalidValue(error.message, param="files") from error
        asset = await desk.office.store.find(kept.asset)
        arrivals.append(await desk.office.store.again(asset, folder / str(number)))
    return arrivals


def _stand_ins(asked: StudioSketch) -> Sequence[Media]:
    """Files that are still to come, for modes that ask what there will be."""
    images = [_stand_in("image")] * len(asked.images)
    return images + [_stand_in("video")] * len(asked.videos)


def _stand_in(kind: Kind) -> Media:
    seconds = 1.0 if kind == "video" else None
    return Media(asset="", kind=kind, content_type=_SHOWN[kind], width=1, height=1, seconds=seconds)


def _mentioned(prompt: str, outline: Outline) -> tuple[Mentioned, ...]:
    return tuple(Mentioned(each.name, each.name in outline.found.characters) for each in mentions(prompt))


TABLE = (
    Operation(
        name="studio.choices",
        method="GET",
        path="/studio",
        summary="What the studio offers: API keys to make things for, and models",
        does=get_choices,
        takes=OfKey,
        gives=Choices,
    ),
    Operation(
        name="studio.characters",
        method="GET",
        path="/studio/characters",
        summary="The characters of an API key",
        does=list_characters,
        takes=OfKey,
        gives=Cast,
    ),
    Operation(
        name="studio.understand",
        method="POST",
        path="/studio/understand",
        summary="What would be made of a request; no job",
        does=understand,
        takes=StudioSketch,
        gives=Understood,
        reads=True,
    ),
    Operation(
        name="studio.code",
        method="POST",
        path="/studio/code",
        summary="A request as curl, Python and Node",
        does=write_code,
        takes=StudioSketch,
        gives=Code,
        reads=True,
    ),
    Operation(
        name="studio.make",
        method="POST",
        path="/studio/jobs",
        summary="Make something for an API key, within its limits",
        does=make,
        takes=StudioMake,
        gives=Made,
        role="operator",
        done=N_("It is being made."),
    ),
    Operation(
        name="studio.history",
        method="GET",
        path="/studio/jobs",
        summary="What was made, and is being made",
        does=list_made,
        takes=HistoryAsked,
        gives=StudioHistory,
    ),
    Operation(
        name="studio.get",
        method="GET",
        path="/studio/jobs/{id}",
        summary="How a job is, with its files",
        does=get_made,
        takes=JobId,
        gives=Made,
    ),
)
