"""Having an order made by a server, and its files fetched: each once, however often the command is broken off."""

import asyncio
import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from sora2api.cli.bars import Bar
from sora2api.cli.download import FileSink, OutSink, Sink, fetch
from sora2api.cli.follow import State, done, follow
from sora2api.cli.note import Note
from sora2api.cli.orders import Kind, Order, chat_request, image_request, video_request
from sora2api.cli.remote import Refused, Remote, SubmitUnknown, path_of
from sora2api.errors import Sora2ApiError

_LINK: Final = re.compile(r"""data:(?:image|video)/[\w.+-]+;base64,[A-Za-z0-9+/=]+|https?://[^\s"'<>)\]]+""")
_IMAGE_NAME: Final = re.compile(r"image|dall-e|flux|diffusion", re.IGNORECASE)


class JobFailed(Sora2ApiError):
    """The job failed."""

    code = "job_failed"

    def __init__(self, error: Any) -> None:
        said = error if isinstance(error, dict) else {"message": error}
        self.error_code = str(said.get("code") or self.code)
        super().__init__(str(said.get("message") or "The job failed, and the server does not say why."))


class Made(Struct, frozen=True, kw_only=True):
    """What came of one thing that was asked for. *file* is where it went, *size* its bytes."""

    job: str | None
    file: str | None = None
    size: int | None = None


class Target:
    """Where one file goes: beside a note, or to standard output (*path* None)."""

    def __init__(self, path: Path | None, note: Note) -> None:
        self.path = path
        self.note = note

    def keep(self) -> None:
        if self.path is not None:
            self.note.keep()

    def sink(self) -> Sink:
        return OutSink() if self.path is None else FileSink(self.path, self.note)


async def kind_of(remote: Remote, model: str | None) -> Kind:
    """What a model makes: by the server's word where it has one, else by its name."""
    listed = await remote.models()
    if model is None:
        return "video"
    about = next((each for each in listed if each.get("id") == model), None)
    if about is None and remote.idempotent:
        about = await remote.get(f"models/{model}")
    if about is not None and isinstance(about.get("makes"), dict):
        return "image" if about["makes"].get("kind") == "image" else "video"
    return "image" if _IMAGE_NAME.search(model) else "video"


async def submit(remote: Remote, kind: Kind, order: Order, target: Target) -> dict[str, Any]:
    """The server's answer to an order, or to the same order sent before."""
    note = target.note
    if note.job is not None:
        return await _asked_for(remote, note)
    if note.sent and not remote.idempotent:
        raise SubmitUnknown(f"Whether the server took this before is not known. To ask again, remove {note.path}.")
    note.sent = True
    await asyncio.to_thread(target.keep)
    try:
        return await _posted(remote, kind, order, once=note.once)
    except Refused:
        await asyncio.to_thread(note.remove)
        raise


async def _asked_for(remote: Remote, note: Note) -> dict[str, Any]:
    """The job of a run before. One that is gone is not come back to: the next run asks anew."""
    try:
        return await remote.video(str(note.job))
    except Refused as error:
        if error.answered in (404, 410):
            await asyncio.to_thread(note.remove)
        raise


async def followed(remote: Remote, answer: dict[str, Any], bar: Bar) -> dict[str, Any]:
    """The Video once it is completed. Raises `JobFailed` where it ends otherwise."""

    def heard(state: State) -> None:
        bar.say(state.say, percent=state.progress)

    answer = await follow(remote, answer, heard)
    if not done(answer):
        raise JobFailed(answer.get("error"))
    return answer


async def fetched(remote: Remote, answer: dict[str, Any], target: Target, bar: Bar) -> Made:
    """The file of a completed Video, fetched; of a server that puts it into the answer, kept."""
    job = str(answer["id"])
    source = _source(answer["data"][0]) if answer.get("data") else f"{path_of(job)}/content"
    return await _kept(remote, job, source, target, bar)


async def files(remote: Remote, answer: dict[str, Any], targets: Sequence[Target], bar: Bar) -> list[Made]:
    """Keep what an answer of the Images or the Chat API has in it, or links to; as many as there are targets."""
    job = answer.get("sora2api", {}).get("job")
    found = _sources(answer)
    if not found:
        raise JobFailed("The server answered without a file.")
    return [await _kept(remote, job, source, target, bar) for source, target in zip(found, targets, strict=False)]


async def _posted(remote: Remote, kind: Kind, order: Order, *, once: str) -> dict[str, Any]:
    """Ask by the API that is for it; by a chat where the server has no such path."""
    path, form = video_request(order) if kind == "video" else image_request(order)
    try:
        answer = await remote.post(path, form, once=once)
    except Refused as error:
        if not error.no_such_path:
            raise
        path, form = await asyncio.to_thread(chat_request, order)
        return await remote.post(path, form, once=once)
    if kind == "video" and "id" not in answer:
        raise Refused(200, {"message": "The server answered without a job."})
    return answer


async def _kept(remote: Remote, job: str | None, source: str | bytes, target: Target, bar: Bar) -> Made:
    sink = await asyncio.to_thread(target.sink)
    try:
        if isinstance(source, bytes):
            await sink.begin(None)
            await sink.write(source)
            await sink.end()
        else:
            await fetch(remote, source, sink, bar.received)
    finally:
        await asyncio.to_thread(sink.close)
    target.note.done = True
    await asyncio.to_thread(target.keep)
    return Made(job=job, file=None if target.path is None else str(target.path), size=sink.size)


def _sources(answer: dict[str, Any]) -> list[str | bytes]:
    """The links to files in an answer, or the files themselves."""
    if "choices" not in answer:
        return [_source(each) for each in answer.get("data") or ()]
    assets = answer.get("sora2api", {}).get("assets")
    if assets:
        return [str(asset["url"]) for asset in assets]
    said = [str(choice["message"].get("content")) for choice in answer["choices"][:1]]
    return [_opened(link) for words in said for link in _LINK.findall(words)]


def _source(said: dict[str, Any]) -> str | bytes:
    if said.get("b64_json"):
        return _decoded(said["b64_json"])
    return _opened(str(said.get("url")))


def _opened(link: str) -> str | bytes:
    return _decoded(link.partition(",")[2]) if link.startswith("data:") else link


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise JobFailed("The server answered with a file that is no base64.") from error
