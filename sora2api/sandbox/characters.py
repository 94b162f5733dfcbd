"""Characters: made of a clip, to appear in others."""

from aiohttp import web

from sora2api.errors import InvalidValue, InvalidVideo, MissingParameter
from sora2api.sandbox import intake
from sora2api.sandbox.replies import ENGINE, reply, require

LONGEST_NAME = 80

routes = web.RouteTableDef()


@routes.post("/v1/videos/characters")
async def create(request: web.Request) -> web.Response:
    require(request, "characters")
    engine, form = request.app[ENGINE], await intake.read(request)
    name, sent = " ".join(form.text("name").split()), form.file("video")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidValue(f"`name` must have 1 to {LONGEST_NAME} characters.", param="name")
    if sent is None:
        raise MissingParameter("`video` must be a file.", param="video")
    clip = engine.shelf.path(await engine.keep(sent.file, ending=".clip"))
    try:
        return reply((await engine.cast(name, clip)).card())
    except InvalidVideo as error:
        raise InvalidVideo(error.message, param="video") from error


@routes.get("/v1/videos/characters/{id}")
async def retrieve(request: web.Request) -> web.Response:
    require(request, "characters")
    return reply(request.app[ENGINE].character(request.match_info["id"]).card())


@routes.delete("/v1/videos/characters/{id}")
async def delete(request: web.Request) -> web.Response:
    require(request, "characters")
    engine = request.app[ENGINE]
    character = engine.character(request.match_info["id"])
    await engine.dismiss(character)
    return reply({"id": character.id, "object": "character.deleted", "deleted": True})
