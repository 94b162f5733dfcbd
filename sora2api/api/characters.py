"""/v1/videos/characters: who can be shown in videos (wire format: OpenAI's; the list and delete are our own)."""

import math
from typing import Annotated, Any, Final

from aiohttp import web
from msgspec import Meta, Struct

from sora2api.api.asking import only, over, unfinished
from sora2api.api.body import decoded
from sora2api.api.forms import Sent, opened, sent
from sora2api.api.inputs import Inputs
from sora2api.api.paging import listed, page
from sora2api.api.replies import reply
from sora2api.api.services import KEY, SERVICES, Services
from sora2api.api.taking import answered, take
from sora2api.api.video_requests import DEFAULT_MODEL, Named
from sora2api.errors import ClientError, MissingParameter, NotFound, NotReady
from sora2api.jobs import CharacterRecord, JobRecord
from sora2api.modes import Media, Request

_PAGE: Final = 20
_LARGEST_PAGE: Final = 100


class CharacterCreate(Struct):
    """The body. A *video* made here, by its id, and the *model* that decides who makes the character are our own."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    video: Named | None = None
    model: str = DEFAULT_MODEL


async def create_character(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    services.jobs.check_open()
    with Inputs(services, owner=request[KEY].id) as inputs:
        body = await sent(request, inputs)
        job = await _take(request, _decoded(body), body, inputs)
    return await answered(request, job, _wait(services, job))


async def _wait(services: Services, job: JobRecord) -> web.StreamResponse:
    failed = await over(services, job)
    if failed is not None:
        return unfinished(failed, sora2api={"job": job.id, "status": job.status})
    character = job.character()
    if character is None:
        raise NotFound(f"{job.id} made no character.")
    return reply(_character_object(await services.jobs.character(character.id, owner=job.owner)))


def _decoded(body: Sent) -> CharacterCreate:
    values = dict(body.fields)
    if isinstance(values.get("name"), str):
        values["name"] = " ".join(values["name"].split())
    if not values.get("name"):
        raise MissingParameter("`name` is missing or empty.", param="name")
    if "video" in body.files:
        values.pop("video", None)
    elif "video" in values:
        values["video"] = opened(values["video"])
    return decoded(values, CharacterCreate)


async def _take(http: web.Request, asked: CharacterCreate, body: Sent, inputs: Inputs) -> JobRecord:
    services, owner = http.config_dict[SERVICES], http[KEY].id
    model = services.catalog.resolve(asked.model)
    services.catalog.check_served(model)
    size, seconds = services.catalog.fit(model, size=None, seconds=None)
    films = only("video", body.files.get("video", []), param="video")
    if asked.video is not None:
        films = (await _made_here(services, asked.video.id, inputs, owner=owner),)
    request = Request(
        operation="cast",
        model=asked.model,
        makes=model.makes,
        size=size,
        seconds=seconds,
        videos=films,
        owner=owner,
        extra={"display_name": asked.name},
    )
    return await take(http, request, inputs.arrivals)


async def _made_here(services: Services, video_id: str, inputs: Inputs, *, owner: str) -> Media:
    try:
        job = await services.jobs.get(video_id, owner=owner)
        made = next((media for media in job.media() if media.kind == "video"), None)
        if made is None or job.status != "completed":
            raise NotReady(f"{job.id} has no video, or none yet.")
        return await inputs.again(made.asset)
    except ClientError as error:
        error.param = "video"
        raise


async def get_character(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    return reply(_character_object(await services.jobs.character(request.match_info["id"], owner=request[KEY].id)))


async def list_characters(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    asked = page(request, default=_PAGE, largest=_LARGEST_PAGE)
    try:
        characters, more = await services.jobs.characters(
            owner=request[KEY].id, after=asked.after, limit=asked.limit, ascending=asked.ascending
        )
    except NotFound as error:
        error.param = "after"
        raise
    return listed([_character_object(character) for character in characters], more=more)


async def delete_character(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    character_id = request.match_info["id"]
    await services.jobs.forget_character(character_id, owner=request[KEY].id)
    return reply({"id": character_id, "object": "character.deleted", "deleted": True})


def _character_object(record: CharacterRecord) -> dict[str, Any]:
    """OpenAI's character, and as our own what calls it in a prompt."""
    character = record.character
    return {
        "id": character.id,
        "object": "character",
        "created_at": math.floor(record.created_at),
        "name": character.display_name or character.name,
        "mention": f"@{character.name}",
    }
