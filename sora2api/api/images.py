"""/v1/images: generations and edits, as jobs that are waited for (wire format: OpenAI's Images API)."""

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from sora2api.api.asking import only, over, postable, unfinished
from sora2api.api.body import decoded
from sora2api.api.forms import Sent, opened, sent, typed
from sora2api.api.inputs import ImageAddress, Inputs
from sora2api.api.replies import error_object, reply
from sora2api.api.services import KEY, SERVICES, Services
from sora2api.api.streams import Stream
from sora2api.api.taking import answered, take
from sora2api.errors import InvalidValue, MissingParameter, UnsupportedFeature
from sora2api.jobs import JobRecord
from sora2api.media import pictures
from sora2api.modes import Media, Request

DEFAULT_MODEL: Final = "gpt-image-2"
_TYPES: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


class ImageRequest(Struct):
    """The body of generations and edits; fields that only say how well to draw are passed over."""

    prompt: Annotated[str, Meta(min_length=1, max_length=32_000)]
    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    stream: bool | None = False
    images: list[ImageAddress] = []
    mask: ImageAddress | None = None
    mode: str | None = None
    callback_url: str | None = None


async def generate_images(request: web.Request) -> web.StreamResponse:
    return await _answer(request, "image_generation", edit=False)


async def edit_images(request: web.Request) -> web.StreamResponse:
    return await _answer(request, "image_edit", edit=True)


async def vary_images(_request: web.Request) -> web.StreamResponse:
    raise UnsupportedFeature("Variations are no more; ask /v1/images/edits, with words for what shall differ.")


async def _answer(request: web.Request, event: str, *, edit: bool) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    services.jobs.check_open()
    with Inputs(services, owner=request[KEY].id) as inputs:
        body = await sent(request, inputs)
        asked = _decoded(body)
        job = await _take(request, asked, body, inputs, edit=edit)
    body.fields.clear()  # what was sent may be large, and is the job's now
    asked.images.clear()
    if asked.stream:
        return await answered(request, job, _stream(request, services, asked, job, event))
    return await answered(request, job, _wait(request, services, asked, job))


async def _wait(request: web.Request, services: Services, asked: ImageRequest, job: JobRecord) -> web.StreamResponse:
    failed = await over(services, job)
    if failed is not None:
        return unfinished(failed, sora2api={"job": job.id, "status": job.status})
    data = [await _shown(request, services, asked, job, media) for media in job.media()]
    return reply({"created": int(job.created_at), "data": data, **_form(asked, job), "sora2api": {"job": job.id}})


def _decoded(body: Sent) -> ImageRequest:
    values = {name: value if name == "prompt" else typed(opened(value)) for name, value in body.fields.items()}
    if not values.get("prompt"):
        raise MissingParameter("`prompt` is missing or empty.", param="prompt")
    for name in body.files.keys() & {"image", "mask"}:
        values.pop(name, None)
    return decoded(values, ImageRequest)


async def _take(http: web.Request, asked: ImageRequest, body: Sent, inputs: Inputs, *, edit: bool) -> JobRecord:
    services = http.config_dict[SERVICES]
    name = asked.model or DEFAULT_MODEL
    model = services.catalog.resolve(name)
    if model.makes != "image":
        raise InvalidValue(f"{name} makes videos; ask /v1/videos for them.", param="model")
    services.catalog.check_served(model)
    size, _ = services.catalog.fit(model, size=None if asked.size == "auto" else asked.size, seconds=None)
    images = only("image", body.files.get("image", []), param="image")
    masks = only("image", body.files.get("mask", []), param="mask")
    images += tuple([await inputs.image(given, param="images") for given in asked.images])
    if edit and not images:
        raise MissingParameter("`image` is missing: the picture to change.", param="image")
    if asked.mask is not None:
        masks = (*masks, await inputs.image(asked.mask, param="mask"))
    request = Request(
        model=name,
        makes="image",
        prompt=asked.prompt,
        size=size,
        n=asked.n or 1,
        images=images,
        mask=masks[0] if masks else None,
        owner=http[KEY].id,
        mode=asked.mode,
        callback_url=await postable(services, asked.callback_url, param="callback_url"),
        extra={field: typed(value) for field, value in body.fields.items() if field in services.parameters},
    )
    return await take(http, request, inputs.arrivals)


# Replying.


async def _stream(
    request: web.Request, services: Services, asked: ImageRequest, job: JobRecord, event: str
) -> web.StreamResponse:
    """Each image whole as it is there; no engine here shows partial ones, so none is made up."""
    stream = Stream(heartbeat=services.settings.heartbeat)
    await stream.prepare(request)
    async with stream:
        failed = await over(services, job)
        if failed is not None:
            await stream.tell({"type": "error", "error": error_object(failed)}, event="error")
            return stream
        for media in job.media():
            data = await _base64(await _as_asked(services, asked, job, media), services)
            completed = {"type": f"{event}.completed", "b64_json": data, "created_at": int(job.created_at)}
            await stream.tell(completed | _form(asked, job) | {"usage": _USAGE}, event=f"{event}.completed")
    return stream


_USAGE: Final = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}
"""Nothing here is counted in tokens."""


def _form(asked: ImageRequest, job: JobRecord) -> dict[str, Any]:
    media: Sequence[Media] = job.media()
    size = f"{media[0].width}x{media[0].height}" if media else job.size
    return {"background": "opaque", "output_format": asked.output_format or "png", "quality": "high", "size": size}


async def _shown(
    request: web.Request, services: Services, asked: ImageRequest, job: JobRecord, media: Media
) -> dict[str, str]:
    media = await _as_asked(services, asked, job, media)
    if asked.response_format == "url":
        return {"url": services.media_link(request, media, until=job.expires_at)}
    return {"b64_json": await _base64(media, services)}


async def _as_asked(services: Services, asked: ImageRequest, job: JobRecord, media: Media) -> Media:
    """The image in the format that was asked for; the engine's own file where that is one already."""
    wanted = _TYPES[asked.output_format] if asked.output_format else media.content_type
    if wanted == media.content_type:
        return media
    quality = 100 if asked.output_compression is None else max(1, asked.output_compression)
    source = await services.store.path(media)
    with services.store.scratch() as folder:
        target = folder / "converted"
        await services.store.workshop.run(pictures.convert, source, target, content_type=wanted, quality=quality)
        return await services.store.keep(
            target, owner=job.owner, job_id=job.id, role="output", expires_at=job.expires_at
        )


async def _base64(media: Media, services: Services) -> str:
    path = await services.store.path(media)
    return await asyncio.to_thread(_encoded, path)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
