"""POST /v1/chat/completions: the last user message as a job, streamed or waited for (api format: OpenAI's)."""

import secrets
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson
from aiohttp import web
from aiohttp_sse import sse_response
from msgspec import Meta, Struct

from sora2api.api.chores import chore
from sora2api.api.inputs import Inputs
from sora2api.api.outcome import Outcome, outcome
from sora2api.api.replies import envelope, failed, problem, reply
from sora2api.api.services import KEY, SERVICES, Services
from sora2api.api.telling import telling
from sora2api.errors import Draining, InvalidJSON, InvalidValue, MissingParameter, WaitTimeout
from sora2api.jobs import JobRecord
from sora2api.modes import Ended, Media, Progress, Request

MODEL: Final = "sora-video-landscape-10s"
"""What an absent `model` stands for."""


class Address(Struct):
    url: str


class Part(Struct):
    """A part of a message; kinds that are not known here are passed over."""

    type: str = "text"
    text: str | None = None
    image_url: Address | str | None = None
    video_url: Address | str | None = None


class Message(Struct):
    role: str
    content: str | list[Part] | None = None


class StreamOptions(Struct):
    include_usage: bool = False


class ChatRequest(Struct):
    """The body. *image*, *video* and *mode* are our own; so are the fields that modes declare."""

    messages: list[Message]
    model: str = MODEL
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: Annotated[str, Meta(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")] | None = None
    seconds: Annotated[float, Meta(gt=0)] | str | None = None
    mode: str | None = None
    image: str | None = None
    video: str | None = None


class Asked(Struct, frozen=True):
    """What the last user message says."""

    text: str
    images: Sequence[str]
    videos: Sequence[str]


async def chat_completions(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    body = await _body(request)
    chat = _decoded(body)
    asked = _asked(chat)
    answer = chore(chat.messages[-1].content) if services.settings.chat_chores else None
    if answer is not None:
        return await _say(request, chat, answer)
    services.jobs.check_open()
    job = await _take(services, chat, asked, body, owner=request[KEY].id)
    if chat.stream:
        return await _stream(request, services, chat, job)
    return await _wait(request, services, chat, job)


# Decoding.


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise InvalidJSON(f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidJSON("The body must be a JSON object.")
    return body


def _decoded(body: dict[str, Any]) -> ChatRequest:
    if "messages" not in body:
        raise MissingParameter("`messages` is missing.", param="messages")
    try:
        return msgspec.convert(body, ChatRequest)
    except msgspec.ValidationError as error:
        _, found, path = str(error).rpartition("`$.")
        raise InvalidValue(str(error), param=path.rstrip("`") if found else None) from error


def _asked(chat: ChatRequest) -> Asked:
    """The last user message, whose parts are put together."""
    said = next((message for message in reversed(chat.messages) if message.role == "user"), None)
    if said is None:
        raise InvalidValue("`messages` holds no message of the user.", param="messages")
    parts = [Part(text=said.content)] if isinstance(said.content, str) else said.content or []
    images = [_address(part.image_url, "image_url") for part in parts if part.type == "image_url"]
    videos = [_address(part.video_url, "video_url") for part in parts if part.type == "video_url"]
    return Asked(
        text="\n".join(part.text for part in parts if part.text),
        images=images or ([chat.image] if chat.image else []),
        videos=videos or ([chat.video] if chat.video else []),
    )


def _address(given: Address | str | None, kind: str) -> str:
    address = given.url if isinstance(given, Address) else given
    if not address:
        raise InvalidValue(f"A part of the type {kind} has no URL.", param="messages")
    return address


async def _take(services: Services, chat: ChatRequest, asked: Asked, body: dict[str, Any], *, owner: str) -> JobRecord:
    """The job of a chat. What is wrong is refused before anything is stored."""
    model = services.catalog.resolve(chat.model)
    services.catalog.check_served(model)
    size, seconds = services.catalog.fit(model, size=chat.size, seconds=_seconds(chat.seconds))
    with Inputs(services) as inputs:
        images: list[Media] = [await inputs.take(url, kind="image", param="messages") for url in asked.images]
        videos: list[Media] = [await inputs.take(url, kind="video", param="messages") for url in asked.videos]
        request = Request(
            model=chat.model,
            makes=model.makes,
            size=size,
            seconds=seconds,
            prompt=asked.text.strip(),
            n=chat.n or 1,
            images=tuple(images),
            videos=tuple(videos),
            owner=owner,
            mode=chat.mode,
            extra={name: value for name, value in body.items() if name in services.parameters},
        )
        return await services.jobs.take(request, inputs.arrivals)


def _seconds(given: float | str | None) -> float | None:
    try:
        seconds = None if given is None else float(given)
    except ValueError:
        seconds = 0.0
    if seconds is not None and not 0 < seconds < float("inf"):
        raise InvalidValue("`seconds` must be a positive number.", param="seconds")
    return seconds


# Replying.


class _Reply:
    """The parts of one reply: chunks of a stream, or the whole."""

    def __init__(self, chat: ChatRequest) -> None:
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._model = chat.model
        self._usage = bool(chat.stream_options and chat.stream_options.include_usage)

    def chunk(
        self, delta: dict[str, Any], *, finish: Literal["stop"] | None = None, job: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._whole("chat.completion.chunk", [choice], job) | ({"usage": None} if self._usage else {})

    def usage(self, job: dict[str, Any] | None) -> dict[str, Any] | None:
        """The last chunk, for those who asked for it."""
        if not self._usage:
            return None
        return self._whole("chat.completion.chunk", [], job) | {"usage": _USAGE}

    def message(self, content: str, job: dict[str, Any] | None) -> dict[str, Any]:
        message = {"role": "assistant", "content": content, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return self._whole("chat.completion", [choice], job) | {"usage": _USAGE}

    def _whole(self, kind: str, choices: list[Any], job: dict[str, Any] | None) -> dict[str, Any]:
        whole = {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        return whole if job is None else whole | {"sora2api": job}


_USAGE: Final = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
"""Nothing here is counted in tokens."""


def _state(job: JobRecord) -> dict[str, Any]:
    return {"job": job.id, "status": job.status, "progress": job.progress}


async def _say(request: web.Request, chat: ChatRequest, text: str) -> web.StreamResponse:
    """Answer with a *text* and no job."""
    parts = _Reply(chat)
    if not chat.stream:
        return reply(parts.message(text, None))
    async with sse_response(request, allow_all_methods=True) as stream:
        for chunk in (
            parts.chunk({"role": "assistant", "content": text}),
            parts.chunk({}, finish="stop"),
            parts.usage(None),
        ):
            if chunk is not None:
                await stream.send(orjson.dumps(chunk).decode())
        await stream.send("[DONE]")
    return stream


async def _wait(request: web.Request, services: Services, chat: ChatRequest, job: JobRecord) -> web.StreamResponse:
    limit = services.settings.wait_limit
    over = await services.jobs.wait(job.id, seconds=limit)
    if not over:
        error = Draining() if services.jobs.draining else WaitTimeout(f"Not ready within {limit:g} s; the job goes on.")
        response = problem(error, job=job.id)
        response.headers["x-should-retry"] = "false"
        return response
    job = await services.jobs.get(job.id)
    headers = _engine(job)
    if job.error is not None:
        return failed(job.error, job=job.id)
    result = outcome(request, services, job)
    return reply(_Reply(chat).message(result.text, _state(job) | result.beside()), headers=headers)


def _engine(job: JobRecord) -> dict[str, str]:
    return {"x-sora2api-engine": job.engine} if job.engine else {}


async def _stream(request: web.Request, services: Services, chat: ChatRequest, job: JobRecord) -> web.StreamResponse:
    """What happens as reasoning, the outcome as content. A client that goes away changes nothing, by default."""
    parts = _Reply(chat)
    sandbox = services.catalog.sandbox_in_use()
    headers = {"x-sora2api-engine": "sandbox"} if sandbox else {}
    try:
        async with sse_response(
            request, allow_all_methods=True, headers=headers, ping_interval=services.settings.heartbeat
        ) as stream:

            async def send(chunk: dict[str, Any] | None) -> None:
                if chunk is not None:
                    await stream.send(orjson.dumps(chunk).decode())

            await send(parts.chunk({"role": "assistant", "content": ""}, job=_state(job)))
            await _follow(services, job.id, parts, send)
            job = await services.jobs.get(job.id)
            if job.status == "completed":
                await _finish(parts, send, job, outcome(request, services, job))
            else:
                await send(_error(job))
            await stream.send("[DONE]")
    except ConnectionError:
        if services.settings.cancel_on_disconnect:
            await services.jobs.cancel(job.id, owner=job.owner)
        raise
    return stream


async def _follow(services: Services, job_id: str, parts: _Reply, send: Any) -> None:
    """Tell what happens, until the job is over or the server stops."""
    shown = -1
    async for numbered in services.jobs.follow(job_id):
        event = numbered.event
        if isinstance(event, Ended):
            return
        if isinstance(event, Progress) and event.percent // 5 == shown:
            continue
        shown = event.percent // 5 if isinstance(event, Progress) else shown
        words = telling(event)
        if words:
            await send(parts.chunk({"reasoning_content": words}, job=_state(await services.jobs.get(job_id))))


async def _finish(parts: _Reply, send: Any, job: JobRecord, result: Outcome) -> None:
    await send(parts.chunk({"content": result.text}, job=_state(job) | result.beside()))
    await send(parts.chunk({}, finish="stop", job=_state(job)))
    await send(parts.usage(_state(job)))


def _error(job: JobRecord) -> dict[str, Any]:
    if job.error is None:
        return envelope(Draining("The server is stopping; the job goes on when it is back.")) | {
            "sora2api": _state(job)
        }
    error = {
        "message": job.error.message,
        "type": "invalid_request_error" if job.error.status < 500 else "server_error",
        "param": job.error.param,
        "code": job.error.code,
    }
    return {"error": error, "sora2api": _state(job)}
