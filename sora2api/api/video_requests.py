"""POST /v1/videos and its kin (create, remix, edit, extend): jobs by the wire format of OpenAI's Videos API."""

from typing import Annotated, Any, Final, TypeVar

from aiohttp import web
from msgspec import Meta, Struct

from sora2api.api.asking import number_of, only, postable
from sora2api.api.body import decoded
from sora2api.api.forms import Sent, opened, sent, typed
from sora2api.api.inputs import ImageAddress, Inputs
from sora2api.api.replies import reply
from sora2api.api.services import KEY, SERVICES, Services
from sora2api.api.videos import POLL_AFTER, video_object
from sora2api.errors import InvalidValue, MissingParameter, UnsupportedFeature
from sora2api.jobs import JobRecord
from sora2api.modes import Operation, Request

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
        job = await services.jobs.take(
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
    return _accepted(request, services, job)


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
        if source is None:
            if "video" in body.files:
                raise UnsupportedFeature("A video is changed by its id; this one was not made here.", param="video")
            raise MissingParameter("`video` is missing: the video to change, by its id.", param="video")
        job = await services.jobs.take(await _of_source(request, services, asked, operation, source), inputs.arrivals)
    return _accepted(request, services, job)


async def _of_source(
    request: web.Request, services: Services, asked: VideoChange, operation: Operation, source: str
) -> Request:
    """A change of a video made here, in its own form where the request names no other."""
    origin = await services.jobs.get(source, owner=request[KEY].id)
    model = services.catalog.resolve(asked.model or origin.model)
    services.catalog.check_served(model)
    given = number_of(asked.seconds)
    size, seconds = services.catalog.fit(model, size=asked.size, seconds=given)
    if operation == "extend" and given is None:
        raise MissingParameter("`seconds` is missing: how long to go on.", param="seconds")
    return Request(
        operation=operation,
        model=asked.model or origin.model,
        makes="video",
        prompt=asked.prompt,
        size=size if asked.size else origin.size,
        seconds=seconds if given else origin.seconds,
        source=source,
        owner=request[KEY].id,
        callback_url=await postable(services, asked.callback_url, param="callback_url"),
    )


def _decoded(body: Sent, fields: type[Fields]) -> Fields:
    """The fields of JSON or a form, where a value that has to be an object or a list may be JSON text."""
    known = fields.__struct_fields__
    values = {name: opened(value) if name in known else value for name, value in body.fields.items()}
    if not values.get("prompt"):
        raise MissingParameter("`prompt` is missing or empty.", param="prompt")
    if isinstance(values.get("video"), str):
        del values["video"]
    return decoded(values, fields)


def _extra(services: Services, body: Sent) -> dict[str, Any]:
    """The fields that modes understand, or that go on to the engine."""
    return {name: typed(opened(value)) for name, value in body.fields.items() if name in services.parameters}


def _accepted(request: web.Request, services: Services, job: JobRecord) -> web.Response:
    return reply(video_object(request, services, job), headers={"openai-poll-after-ms": POLL_AFTER})
