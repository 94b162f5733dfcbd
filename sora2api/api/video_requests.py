"""POST /v1/videos and its kin (create, remix, edit, extend): jobs by the wire format of OpenAI's Videos API."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

from aiohttp import web
from msgspec import Meta, Struct

from sora2api.api.asking import number_of, only, postable
from sora2api.api.body import decoded
from sora2api.api.forms import Sent, opened, sent, typed
from sora2api.api.inputs import ImageAddress, Inputs
from sora2api.api.services import KEY, SERVICES, Services
from sora2api.api.taking import answered, take, waited
from sora2api.api.videos import video_reply
from sora2api.errors import InvalidValue, MissingParameter
from sora2api.jobs import JobRecord
from sora2api.modes import Media, Model, Operation, Request

DEFAULT_MODEL: Final = "sora-2"
_LONGEST_PROMPT: Final = 32_000

Fields = TypeVar("Fields", bound=Struct)
Prompt = Annotated[str, Meta(min_length=1, max_length=_LONGEST_PROMPT)]


class Named(Struct):
    id: str


class VideoCreate(Struct):
    """The body of POST /v1/videos; *mode*, *callback_url* and the fields that modes declare are our own."""

    prompt: Prompt
    model: str = DEFAULT_MODEL
    seconds: str | float | None = None
    size: str | None = None
    input_reference: ImageAddress | None = None
    characters: list[Named] = []
    mode: str | None = None
    callback_url: str | None = None


class VideoChange(Struct):
    """The body of remix, edit and extend. *model*, *size* and *seconds* not given are those of the source."""

    prompt: Prompt
    video: Named | None = None
    model: str | None = None
    size: str | None = None
    seconds: str | float | None = None
    callback_url: str | None = None


async def create_video(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    services.jobs.check_open()
    with Inputs(services, owner=request[KEY].id) as inputs:
        body = await sent(request, inputs)
        asked = _decoded(body, VideoCreate)
        images = only("image", body.files.get("input_reference", []), param="input_reference")
        model = services.catalog.resolve(asked.model)
        if model.makes != "video":
            raise InvalidValue(f"{asked.model} makes images; ask /v1/images/generations for them.", param="model")
        services.catalog.check_served(model)
        size, seconds = services.catalog.fit(model, size=asked.size, seconds=number_of(asked.seconds))
        if asked.input_reference is not None:
            images = (*images, await inputs.image(asked.input_reference, param="input_reference"))
        job = await take(
            request,
            Request(
                model=asked.model,
                makes="video",
                prompt=asked.prompt,
                size=size,
                seconds=seconds,
                images=images,
                characters=tuple(character.id for character in asked.characters),
                owner=request[KEY].id,
                mode=asked.mode,
                callback_url=await postable(services, asked.callback_url, param="callback_url"),
                extra=_extra(services, body),
            ),
            inputs.arrivals,
        )
    return await answered(request, job, _accepted(request, services, job))


async def remix_video(request: web.Request) -> web.StreamResponse:
    return await _change(request, "remix", source=request.match_info["id"])


async def edit_video(request: web.Request) -> web.StreamResponse:
    return await _change(request, "edit")


async def extend_video(request: web.Request) -> web.StreamResponse:
    return await _change(request, "extend")


async def _change(request: web.Request, operation: Operation, *, source: str | None = None) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    services.jobs.check_open()
    with Inputs(services, owner=request[KEY].id) as inputs:
        body = await sent(request, inputs)
        asked = _decoded(body, VideoChange)
        source = source or (asked.video.id if asked.video else None)
        # A file beside an id is not looked at: an SDK sends one where it must send something.
        films = () if source else only("video", body.files.get("video", []), param="video")
        origin = await _origin(services, source, films, owner=request[KEY].id)
        if not (asked.model or origin.model):
            raise MissingParameter("`model` is missing: what shall change the video.", param="model")
        model = services.catalog.resolve(asked.model or origin.model)
        services.catalog.check_served(model)
        size, seconds = _form(services, asked, operation, model, origin)
        job = await take(
            request,
            Request(
                operation=operation,
                model=asked.model or origin.model,
                makes=model.makes,
                prompt=asked.prompt,
                size=size,
                seconds=seconds,
                source=source,
                videos=films,
                owner=request[KEY].id,
                callback_url=await postable(services, asked.callback_url, param="callback_url"),
            ),
            inputs.arrivals if films else (),
        )
    return await answered(request, job, _accepted(request, services, job))


class _Origin(Struct, frozen=True):
    """What is known of the video to change; of one that was not made here no model."""

    size: str
    seconds: float | None
    model: str = ""


async def _origin(services: Services, source: str | None, films: Sequence[Media], *, owner: str) -> _Origin:
    if source is not None:
        job = await services.jobs.get(source, owner=owner)
        return _Origin(job.size, job.seconds, job.model)
    if not films:
        raise MissingParameter("`video` is missing: the video to change, by its id or as a file.", param="video")
    return _Origin(f"{films[0].width // 2 * 2}x{films[0].height // 2 * 2}", films[0].seconds)


def _form(
    services: Services, asked: VideoChange, operation: Operation, model: Model, origin: _Origin
) -> tuple[str, float | None]:
    """The size and length asked for, else the origin's as far as the model makes them."""
    given = number_of(asked.seconds)
    if operation == "extend" and given is None:
        raise MissingParameter("`seconds` is missing: how long to go on.", param="seconds")
    return services.catalog.fit_change(
        model, size=asked.size, seconds=given, of_size=origin.size, of_seconds=origin.seconds
    )


def _decoded(body: Sent, fields: type[Fields]) -> Fields:
    """The fields of JSON or a form, where a value that has to be an object or a list may be JSON text."""
    known = set(fields.__struct_fields__) - {"prompt"}
    values = {name: opened(value) if name in known else value for name, value in body.fields.items()}
    if not values.get("prompt"):
        raise MissingParameter("`prompt` is missing or empty.", param="prompt")
    if isinstance(values.get("video"), str):
        del values["video"]
    return decoded(values, fields)


def _extra(services: Services, body: Sent) -> dict[str, Any]:
    """The fields that modes understand, or that go on to the engine."""
    return {name: typed(opened(value)) for name, value in body.fields.items() if name in services.parameters}


async def _accepted(request: web.Request, services: Services, job: JobRecord) -> web.Response:
    return video_reply(request, services, await waited(request, job))
