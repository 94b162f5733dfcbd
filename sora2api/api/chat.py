"""POST /v1/chat/completions: the last user message as a job, streamed or waited for (wire format: OpenAI's)."""

import asyncio
from contextlib import aclosing
from typing import Any

from aiohttp import web

from sora2api.api.asking import over, postable, unfinished
from sora2api.api.body import decoded, json_object
from sora2api.api.chores import chore
from sora2api.api.chunks import Chunks
from sora2api.api.inputs import Inputs
from sora2api.api.messages import Asked, Attached, Chat, asked
from sora2api.api.outcome import outcome
from sora2api.api.replies import error_object, reply
from sora2api.api.services import KEY, SERVICES, Services
from sora2api.api.streams import Stream
from sora2api.api.taking import answered, take
from sora2api.api.telling import telling
from sora2api.errors import ClientError, Draining, MissingParameter
from sora2api.jobs import JobRecord
from sora2api.modes import Media, Progress, Request

_STRIDE = 5
"""Of progress, each step of so many percent is told."""


async def chat_completions(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    with Inputs(services, owner=request[KEY].id) as inputs:
        body = await json_object(request, inputs.arrived)
        if "messages" not in body:
            raise MissingParameter("`messages` is missing.", param="messages")
        chat = decoded(body, Chat)
        answer = chore(chat.messages) if services.settings.chat_chores else None
        if answer is not None:
            return await _say(request, services, chat, answer)
        services.jobs.check_open()
        job = await _take(request, chat, asked(chat), body, inputs)
    body.clear()  # what was sent may be large, and is the job's now
    chat.messages.clear()
    try:
        return await answered(request, job, (_stream if chat.stream else _wait)(request, services, chat, job))
    except asyncio.CancelledError:
        if services.settings.cancel_on_disconnect and not services.jobs.draining:
            await services.jobs.cancel(job.id, owner=job.owner)
        raise


async def _take(http: web.Request, chat: Chat, said: Asked, body: dict[str, Any], inputs: Inputs) -> JobRecord:
    """The job of a chat; its record goes on with it. What is wrong is refused before anything is stored."""
    services = http.config_dict[SERVICES]
    model = services.catalog.resolve(chat.model)
    services.catalog.check_served(model)
    size, seconds = services.catalog.fit(model, size=chat.size, seconds=chat.length())
    images = [await inputs.take(image.url, kind="image", param=image.param) for image in said.images]
    videos = [await inputs.take(video.url, kind="video", param=video.param) for video in said.videos]
    files = [await _attached(file, inputs) for file in said.files]
    request = Request(
        model=chat.model,
        makes=model.makes,
        size=size,
        seconds=seconds,
        prompt=said.text,
        n=chat.n or 1,
        images=(*images, *(file for file in files if file.kind == "image")),
        videos=(*videos, *(file for file in files if file.kind == "video")),
        owner=http[KEY].id,
        mode=chat.mode,
        callback_url=await postable(services, chat.callback_url, param="callback_url"),
        extra={name: value for name, value in body.items() if name in services.parameters},
    )
    try:
        return await take(http, request, inputs.arrivals)
    except ClientError as error:
        error.param = "messages" if error.param in ("prompt", "video") else error.param
        raise


async def _attached(file: Attached, inputs: Inputs) -> Media:
    if file.file_id:
        return await inputs.file(file.file_id, kind=None, param="messages")
    return await inputs.take(file.file_data or "", kind=None, param="messages")


async def _say(request: web.Request, services: Services, chat: Chat, text: str) -> web.StreamResponse:
    """Answer with a *text* and no job."""
    chunks = Chunks(chat)
    if not chat.stream:
        return reply(chunks.whole(text, {}))
    stream = Stream(heartbeat=services.settings.heartbeat)
    await stream.prepare(request)
    async with stream:
        for chunk in (chunks.chunk({"role": "assistant", "content": text}, {}), *chunks.ending({})):
            await stream.tell(chunk)
        await stream.done()
    return stream


async def _wait(request: web.Request, services: Services, chat: Chat, job: JobRecord) -> web.StreamResponse:
    error = await over(services, job)
    if error is not None:
        return unfinished(error, **_state(job))
    result = outcome(request, services, job)
    return reply(Chunks(chat).whole(result.text, _state(job, **result.beside())))


async def _stream(request: web.Request, services: Services, chat: Chat, job: JobRecord) -> web.StreamResponse:
    """What happens as reasoning, the outcome as content."""
    chunks = Chunks(chat)
    stream = Stream(heartbeat=services.settings.heartbeat)
    await stream.prepare(request)
    async with stream:
        await stream.tell(chunks.chunk({"role": "assistant", "content": ""}, _state(job)))
        await _follow(services, chunks, stream, job)
        if job.status == "completed":
            result = outcome(request, services, job)
            await stream.tell(chunks.chunk({"content": result.text}, _state(job, **result.beside())))
            for chunk in chunks.ending(_state(job)):
                await stream.tell(chunk)
        else:
            await stream.tell({"error": error_object(job.error or _goes_on_later(job))} | _state(job))
        await stream.done()
    return stream


async def _follow(services: Services, chunks: Chunks, stream: Stream, job: JobRecord) -> None:
    """Tell what happens, until the job is over or the server stops."""
    told = -1
    async with aclosing(services.jobs.follow(job.id)) as events:
        async for numbered in events:
            event = numbered.event
            if isinstance(event, Progress):
                if event.percent // _STRIDE == told:
                    continue
                told = event.percent // _STRIDE
            words = telling(event)
            if words is not None:
                await stream.tell(chunks.chunk({"reasoning_content": words}, _state(job)))


def _state(job: JobRecord, **more: Any) -> dict[str, Any]:
    return {"sora2api": {"job": job.id, "status": job.status, "progress": job.progress, **more}}


def _goes_on_later(job: JobRecord) -> Draining:
    return Draining(f"The server is stopping. The job {job.id} goes on when it is back.")
