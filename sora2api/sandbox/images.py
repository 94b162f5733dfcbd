"""The Images API: pictures made from words, and pictures changed."""

import asyncio
import base64
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.web_request import FileField

from sora2api.errors import InvalidImage, InvalidValue, MissingParameter, PolicyRefusal, UnsupportedFeature
from sora2api.media import pictures
from sora2api.sandbox import intake
from sora2api.sandbox.engine import Engine
from sora2api.sandbox.intake import Form
from sora2api.sandbox.orders import PictureOrder
from sora2api.sandbox.replies import ENGINE, MediaFile, reply, require
from sora2api.sandbox.typeset import Size

SQUARE: Size = (1024, 1024)
LARGEST = 4096
REFUSED = "[refuse]"
"""A prompt with this in it is refused, for tests of refusals."""

routes = web.RouteTableDef()


@routes.post("/v1/images/generations")
async def generate(request: web.Request) -> web.Response:
    require(request, "image")
    form = await intake.read(request)
    return await _drawn(request, form, _orders(form, form.size(SQUARE, most=LARGEST)))


@routes.post("/v1/images/edits")
async def edit(request: web.Request) -> web.Response:
    require(request, "image_edit")
    engine = request.app[ENGINE]
    form = await intake.read(request)
    if not form.files.get("image"):
        raise MissingParameter("`image` is required.", param="image")
    if form.file("mask") and not engine.options.offers("mask"):
        raise UnsupportedFeature("This sandbox was started without 'mask'.", param="mask")
    images = [await picture(engine, file, param="image") for file in form.files["image"]]
    masks = [await picture(engine, file, param="mask") for file in form.files.get("mask", ())]
    orders = _orders(form, form.size(images[0][1], most=LARGEST))
    names, mask = tuple(name for name, _ in images), masks[0][0] if masks else None
    return await _drawn(request, form, [msgspec.structs.replace(order, images=names, mask=mask) for order in orders])


@routes.get("/_sandbox/files/{name:[0-9a-f]{64}[.]png}")
async def file(request: web.Request) -> MediaFile:
    shelf = request.app[ENGINE].shelf
    if not await asyncio.to_thread(shelf.has, request.match_info["name"]):
        raise web.HTTPNotFound
    return MediaFile(shelf.path(request.match_info["name"]), "image/png")


async def picture(engine: Engine, sent: FileField, *, param: str) -> tuple[str, Size]:
    """Puts a picture that a client sent on the shelf. Raises InvalidImage."""
    return await checked(engine, await engine.keep(sent.file, ending=".picture"), param=param)


async def checked(engine: Engine, name: str, *, param: str) -> tuple[str, Size]:
    """The name of a picture on the shelf, and its size. Raises InvalidImage."""
    try:
        found = await engine.workshop.run(pictures.probe, engine.shelf.path(name))
    except InvalidImage as error:
        raise InvalidImage(error.message, param=param) from error
    return name, (found.width, found.height)


def _orders(form: Form, size: Size) -> list[PictureOrder]:
    prompt = form.prompt()
    if REFUSED in prompt:
        raise PolicyRefusal(param="prompt")
    return [PictureOrder(prompt, size, number) for number in range(form.whole("n", 1, least=1, most=10))]


async def _drawn(request: web.Request, form: Form, orders: list[PictureOrder]) -> web.Response:
    shape = form.text("response_format", "b64_json")
    if shape not in ("b64_json", "url"):
        raise InvalidValue("`response_format` must be b64_json or url.", param="response_format")
    key = request.headers.get("Idempotency-Key")
    created, files = await request.app[ENGINE].draw(tuple(orders), key=f"{request.path} {key}" if key else None)
    if shape == "url":
        data = [{"url": f"{request.scheme}://{request.host}/_sandbox/files/{path.name}"} for path in files]
    else:
        data = [{"b64_json": await asyncio.to_thread(_base64, path)} for path in files]
    width, height = orders[0].size
    return reply({"created": int(created), "data": data, "size": f"{width}x{height}", "output_format": "png"})


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
