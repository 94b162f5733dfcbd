"""Following a job on a server to its end: by its events, or by asking again and again where a server has none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import orjson
from msgspec import Struct

from sora2api.cli.remote import Broken, Refused, Remote, Unreached, Waiting, path_of

_DONE: Final = frozenset({"completed", "success", "succeeded", "finished", "done"})
_FAILED: Final = frozenset({"failed", "error", "cancelled", "canceled", "expired", "deleted"})
"""The words of the servers that there are."""
_POLL: Final = 2.0


class State(Struct, frozen=True):
    """How a job stands: its *progress* in percent, None where that is as before, and what there is to *say*."""

    progress: int | None
    say: str


Heard = Callable[[State], None]


def done(video: dict[str, Any]) -> bool:
    return video.get("status") in _DONE


def over(video: dict[str, Any]) -> bool:
    return done(video) or video.get("status") in _FAILED


async def follow(remote: Remote, video: dict[str, Any], heard: Heard) -> dict[str, Any]:
    """The Video once it is over. Raises `Unreached` where the server stays away, `Refused` where the job is gone."""
    while not over(video):
        heard(_stands(video))
        if "events_url" in video:
            await _listen(remote, video["id"], heard)
        else:
            await asyncio.sleep(_POLL)
        video = await remote.video(str(video["id"]))
    return video


async def _listen(remote: Remote, job_id: str, heard: Heard) -> None:
    """Hear the events to the last, each once, however often the connection breaks."""
    last, waiting = "0", remote.waiting()
    while True:
        try:
            async with remote.stream(f"{path_of(job_id)}/events", {"Last-Event-ID": last}) as response:
                async for event in _events(response, waiting):
                    last = str(event.get("number", last))
                    heard(_told(event))
                    if event["type"] == "ended":
                        return
        except Broken as error:
            trouble: Exception = error
        except Refused as error:
            if error.answered not in (429, 502, 503, 504):
                raise
            trouble = error
        else:
            trouble = Unreached("The server ended the stream.")
        if not await waiting.wait("The server does not answer; the job goes on."):
            raise Unreached(f"{remote.url} does not answer any more; the job goes on there.") from trouble


async def _events(response: aiohttp.ClientResponse, waiting: Waiting) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        waiting.well()  # a sign of life will do: a job that waits has no events
        if line.startswith(b"data:"):
            yield orjson.loads(line[5:])


def _stands(video: dict[str, Any]) -> State:
    waits = f"waits: {video['waiting_for']}" if video.get("waiting_for") else "waits"
    return State(_percent(video.get("progress")), waits if video.get("status") == "queued" else "is made")


def _percent(said: Any) -> int | None:
    """What a server has said, as in 50, 50.0 or "50%"; None where that is no number."""
    try:
        return int(float(str(said).removesuffix("%")))
    except (ValueError, OverflowError):
        return None


def _told(event: dict[str, Any]) -> State:
    match event["type"]:
        case "progress":
            return State(event["percent"], "is made")
        case "waiting":
            return State(None, f"waits: {event['reason']}")
        case "task_submitted":
            return State(None, f"{event['account']} makes {event['step']}")
        case "task_retried":
            return State(None, f"{event['account']} did not take it; again")
        case "note":
            return State(None, event["text"])
        case kind:
            return State(None, kind.replace("_", " "))
