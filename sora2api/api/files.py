"""/v1/files: images and videos that later requests refer to by their id (wire format: OpenAI's Files API)."""

import math
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from sora2api.api.body import decoded
from sora2api.api.forms import opened, sent, typed
from sora2api.api.inputs import Inputs
from sora2api.api.paging import listed, page
from sora2api.api.replies import file_reply, reply
from sora2api.api.services import KEY, SERVICES
from sora2api.errors import MissingParameter, NotFound
from sora2api.media.files import KeptFile, Purpose

_LARGEST_PAGE: Final = 10_000


class ExpiresAfter(Struct):
    """From an hour to thirty days, as OpenAI has it."""

    seconds: Annotated[int, Meta(ge=3600, le=2_592_000)]
    anchor: Literal["created_at"] = "created_at"


class FileCreate(Struct):
    """The fields beside the file itself."""

    purpose: Purpose
    expires_after: ExpiresAfter | None = None


async def create_file(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    with Inputs(services, owner=request[KEY].id) as inputs:
        body = await sent(request, inputs)
        if "purpose" not in body.fields:
            raise MissingParameter("`purpose` is missing: vision or user_data.", param="purpose")
        asked = decoded({name: typed(opened(value)) for name, value in body.fields.items()}, FileCreate)
        if not body.files.get("file"):
            raise MissingParameter("`file` is missing: an image or a video.", param="file")
        file = await services.files.keep(
            body.files["file"][0],
            owner=request[KEY].id,
            purpose=asked.purpose,
            lifetime=asked.expires_after.seconds if asked.expires_after else services.settings.file_lifetime,
        )
    return reply(_file_object(file))


async def list_files(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    asked = page(request, default=_LARGEST_PAGE, largest=_LARGEST_PAGE, least=1)
    try:
        files, more = await services.files.page(
            owner=request[KEY].id,
            purpose=request.query.get("purpose"),
            after=asked.after,
            limit=asked.limit,
            ascending=asked.ascending,
        )
    except NotFound as error:
        error.param = "after"
        raise
    return listed([_file_object(file) for file in files], more=more)


async def get_file(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    return reply(_file_object(await services.files.get(request.match_info["id"], owner=request[KEY].id)))


async def file_content(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    file = await services.files.get(request.match_info["id"], owner=request[KEY].id)
    return file_reply(await services.store.find(file.asset))


async def delete_file(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    file_id = request.match_info["id"]
    await services.files.delete(file_id, owner=request[KEY].id)
    return reply({"id": file_id, "object": "file", "deleted": True})


def _file_object(file: KeptFile) -> dict[str, Any]:
    """OpenAI's File."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": math.floor(file.created_at),
        "expires_at": math.floor(file.expires_at),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }
