"""The Videos API: clips made, listed, fetched and deleted, remixed, edited and extended."""

import itertools
import secrets
import time

from aiohttp import web

from sora2api.errors import InvalidValue, MissingParameter, NotFound, NotReady, PolicyRefusal, UnsupportedFeature
from sora2api.media import clips
from sora2api.sandbox import intake
from sora2api.sandbox.engine import Engine
from sora2api.sandbox.images import REFUSED, checked
from sora2api.sandbox.intake import Form
from sora2api.sandbox.orders import ClipOrder, Part, Portrait, length
from sora2api.sandbox.replies import ENGINE, MediaFile, reply, require
from sora2api.sandbox.tasks import Fault, Task
from sora2api.sandbox.typeset import Size

UPRIGHT: Size = (720, 1280)
LARGEST = 2048
MODEL = "sandbox-video"
PAGE = 20

routes = web.RouteTableDef()


@routes.post("/v1/videos")
async def create(request: web.Request) -> web.Response:
    require(request, "clip")
    engine, form = request.app[ENGINE], await intake.read(request)
    order = ClipOrder(
        action="make",
        size=form.size(UPRIGHT, most=LARGEST, even=True),
        parts=_parts(engine, form),
        cast=_cast(engine, form),
        image=await _first_frame(engine, form),
    )
    return await _accepted(request, order, prompt=form.text("prompt", ""), model=form.text("model", MODEL))


@routes.get("/v1/videos")
async def listed(request: web.Request) -> web.Response:
    require(request, "list")
    query = Form(dict(request.query), {})
    limit, order = query.whole("limit", PAGE, least=0, most=100), query.text("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidValue("`order` must be asc or desc.", param="order")
    tasks = request.app[ENGINE].tasks
    names = iter(tasks if order == "asc" else reversed(tasks))
    if after := request.query.get("after"):
        if after not in tasks:
            raise NotFound(f"There is no video {after!r} here.", param="after")
        names = itertools.dropwhile(lambda name: name != after, names)
        next(names)
    page = [tasks[name].video() for name in itertools.islice(names, limit)]
    request.app[ENGINE].ledger.count("lists")
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return reply({"object": "list", "data": page, **ends, "has_more": next(names, None) is not None})


@routes.post("/v1/videos/edits")
async def edit(request: web.Request) -> web.Response:
    require(request, "edit")
    form = await intake.read(request)
    return await _changed(request, form, _named(request, form), remix=False)


@routes.post("/v1/videos/extensions")
async def extend(request: web.Request) -> web.Response:
    require(request, "extend")
    form = await intake.read(request)
    source, prompt = _named(request, form), form.prompt()
    part = Part(prompt, form.seconds())
    order = ClipOrder(action="extend", size=source.order.size, parts=(part,), source=_finished(source))
    return await _accepted(request, order, prompt=prompt, model=source.model, seconds=source.seconds + part.seconds)


@routes.post("/v1/videos/{id}/remix")
async def remix(request: web.Request) -> web.Response:
    require(request, "remix")
    source = request.app[ENGINE].task(request.match_info["id"])
    return await _changed(request, await intake.read(request), source, remix=True)


@routes.get("/v1/videos/{id}")
async def retrieve(request: web.Request) -> web.Response:
    engine = request.app[ENGINE]
    engine.ledger.count("polls")
    return reply(engine.task(request.match_info["id"]).video())


@routes.delete("/v1/videos/{id}")
async def delete(request: web.Request) -> web.Response:
    engine = request.app[ENGINE]
    task = engine.task(request.match_info["id"])
    if task.ended is None and not engine.options.offers("cancel"):
        raise UnsupportedFeature("This sandbox was started without 'cancel': a running video cannot be deleted.")
    await engine.delete(task)
    return reply({"id": task.id, "object": "video.deleted", "deleted": True})


@routes.get("/v1/videos/{id}/content")
async def content(request: web.Request) -> MediaFile:
    engine = request.app[ENGINE]
    task = engine.task(request.match_info["id"])
    _finished(task)
    clip = await engine.clip(task)
    match request.query.get("variant", "video"):
        case "video":
            return MediaFile(clip, "video/mp4")
        case "thumbnail":
            return MediaFile(await engine.derived(clip, ".webp", clips.poster), "image/webp")
        case "spritesheet":
            return MediaFile(await engine.derived(clip, ".jpg", clips.spritesheet), "image/jpeg")
        case _:
            raise InvalidValue("`variant` must be video, thumbnail or spritesheet.", param="variant")


async def _changed(request: web.Request, form: Form, source: Task, *, remix: bool) -> web.Response:
    prompt = form.prompt()
    part = Part(prompt, source.seconds)
    order = ClipOrder(action="change", size=source.order.size, parts=(part,), source=_finished(source))
    return await _accepted(request, order, prompt=prompt, model=source.model, remixed_from=source.id if remix else None)


async def _accepted(
    request: web.Request,
    order: ClipOrder,
    *,
    prompt: str,
    model: str,
    seconds: float | None = None,
    remixed_from: str | None = None,
) -> web.Response:
    engine, created = request.app[ENGINE], time.time()
    task = Task(
        id=f"video_{secrets.token_hex(16)}",
        created=created,
        due=engine.due(created),
        model=model,
        prompt=prompt or " ".join(part.prompt for part in order.parts),
        seconds=length(order) if seconds is None else seconds,
        order=order,
        remixed_from=remixed_from,
        refusal=_refused(prompt, order),
    )
    return reply((await engine.accept(task)).video())


def _named(request: web.Request, form: Form) -> Task:
    """The task that `video` names."""
    video = form.values.get("video")
    if not isinstance(video, dict) or not isinstance(video.get("id"), str):
        raise MissingParameter("`video` must be an object with an `id`.", param="video")
    return request.app[ENGINE].task(video["id"])


def _finished(task: Task) -> str:
    """The shelf's name of a finished clip. Raises NotReady."""
    if task.status != "completed":
        raise NotReady(f"The video {task.id!r} is {task.status}.")
    return task.clip


def _parts(engine: Engine, form: Form) -> tuple[Part, ...]:
    shots = form.things("shots")
    if not shots:
        return (Part(form.prompt(), form.seconds()),)
    if not engine.options.offers("shots"):
        raise UnsupportedFeature("This sandbox was started without 'shots'.", param="shots")
    parts = []
    for number, shot in enumerate(shots):
        prompt = shot.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidValue("Every shot needs a prompt.", param=f"shots[{number}].prompt")
        parts.append(Part(prompt, intake.seconds(shot.get("seconds"), param=f"shots[{number}].seconds")))
    return tuple(parts)


def _cast(engine: Engine, form: Form) -> tuple[Portrait, ...]:
    named = form.things("characters")
    if named and not engine.options.offers("characters"):
        raise UnsupportedFeature("This sandbox was started without 'characters'.", param="characters")
    return tuple(engine.character(str(one.get("id")), param="characters").portrait for one in named)


async def _first_frame(engine: Engine, form: Form) -> str | None:
    sent, named = form.file("input_reference"), form.values.get("input_reference")
    if not sent and not named:
        return None
    if not engine.options.offers("first_frame"):
        raise UnsupportedFeature("This sandbox was started without 'first_frame'.", param="input_reference")
    if sent:
        data = sent.file
    else:
        url = named.get("image_url") if isinstance(named, dict) else named
        data = intake.picture_data(url, param="input_reference")
    name, _ = await checked(engine, await engine.keep(data, ending=".picture"), param="input_reference")
    return name


def _refused(prompt: str, order: ClipOrder) -> Fault | None:
    """Why a task will fail, if a prompt of it asks for that; of several shots it names the one."""
    refused = [number for number, part in enumerate(order.parts) if REFUSED in part.prompt]
    if not refused and REFUSED not in prompt:
        return None
    param = f"shots[{refused[0]}]" if refused and len(order.parts) > 1 else None
    return Fault(PolicyRefusal.code, PolicyRefusal().message, param=param)
