"""/v1/videos: jobs as OpenAI's Videos API shows them, their files, their events, and cancel."""

import math
import time
from contextlib import aclosing
from typing import Any, Final, Literal

import orjson
from aiohttp import web

from sora2api.api.paging import listed, page
from sora2api.api.replies import error_object, file_reply, reply
from sora2api.api.services import KEY, SERVICES, Services
from sora2api.api.streams import Stream
from sora2api.errors import InvalidValue, NotFound, NotReady
from sora2api.jobs import JobRecord, Numbered
from sora2api.jobs.records import Status, encode
from sora2api.media.variants import VARIANTS
from sora2api.modes import Media
from sora2api.observe.requests import forget

_POLL_AFTER: Final = 1000
_POLL_LEAST: Final = 500
_POLL_MOST: Final = 10_000
_POLLS: Final = 10
"""So often a job is asked for that takes as long as others, within those bounds (milliseconds)."""
_LARGEST_PAGE: Final = 100
_SHOWN_AS: Final[dict[str, tuple[Status, ...]]] = {
    "queued": ("queued",),
    "in_progress": ("in_progress",),
    "completed": ("completed",),
    "failed": ("failed", "cancelled"),
}
_PAGE: Final = 20
_LARGEST_NUMBER: Final = 2**63 - 1


async def get_video(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    job = await services.jobs.get(request.match_info["id"], owner=request[KEY].id)
    return video_reply(request, services, job)


async def list_videos(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    asked = page(request, default=_PAGE, largest=_LARGEST_PAGE)
    try:
        jobs, more = await services.jobs.page(
            owner=request[KEY].id,
            kind="video",
            after=asked.after,
            limit=asked.limit,
            ascending=asked.ascending,
            statuses=_statuses(request.query.get("status")),
            model=request.query.get("model"),
        )
    except NotFound as error:
        error.param = "after"
        raise
    return listed([video_object(request, services, job) for job in jobs], more=more)


def _statuses(given: str | None) -> tuple[Status, ...]:
    """The states of jobs that the API shows as the one given."""
    if given is None:
        return ()
    shown = _SHOWN_AS.get(given)
    if shown is None:
        raise InvalidValue(f"`status` is one of {', '.join(_SHOWN_AS)}.", param="status")
    return shown


async def delete_video(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    job_id = request.match_info["id"]
    await services.jobs.cancel(job_id, owner=request[KEY].id)
    await forget(request, job_id)  # first, so that who asks again after a crash in between is not told that all is gone
    await services.jobs.delete(job_id, owner=request[KEY].id)
    return reply({"id": job_id, "object": "video.deleted", "deleted": True})


async def cancel_video(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    job = await services.jobs.cancel(request.match_info["id"], owner=request[KEY].id)
    return reply(video_object(request, services, job))


async def video_content(request: web.Request) -> web.StreamResponse:
    """The file that a job made, or a variant of a video: thumbnail (WebP), spritesheet (JPEG)."""
    services = request.config_dict[SERVICES]
    job = await services.jobs.get(request.match_info["id"], owner=request[KEY].id)
    if job.status != "completed":
        raise NotReady(f"{job.id} is {_status(job)}; its content is there once it is completed.")
    media = await _variant(services, job, request.query.get("variant", "video"))
    if services.settings.content_redirect:
        raise web.HTTPFound(services.media_link(request, media, until=job.expires_at))
    return file_reply(await services.store.find(media.asset))


async def _variant(services: Services, job: JobRecord, variant: str) -> Media:
    made = next(iter(job.media()), None)
    if made is None:
        raise NotFound(f"{job.id} made no file.")
    if variant == "video":
        return made
    other = VARIANTS.get(variant) if made.kind == "video" else None
    if other is None:
        raise InvalidValue("`variant` is video, thumbnail or spritesheet, the latter two of a video.", param="variant")
    return await services.variants.get(other, video=made, job_id=job.id, owner=job.owner, expires_at=job.expires_at)


async def link(request: web.Request) -> web.StreamResponse:
    """A kept file by a link, which needs no key."""
    services = request.config_dict[SERVICES]
    asset_id = services.links.asset(request.match_info["token"], request.match_info["file"])
    return file_reply(await services.store.find(asset_id))


async def video_events(request: web.Request) -> web.StreamResponse:
    """The job's events as they happen, resumable by Last-Event-ID; it ends after the last."""
    services = request.config_dict[SERVICES]
    job = await services.jobs.get(request.match_info["id"], owner=request[KEY].id)
    after = _after(request)
    stream = Stream(heartbeat=services.settings.heartbeat)
    await stream.prepare(request)
    async with stream, aclosing(services.jobs.follow(job.id, after=after)) as events:
        async for numbered in events:
            event = _event(numbered)
            await stream.tell(event, number=numbered.number, event=event["type"])
    return stream


def _after(request: web.Request) -> int:
    last = request.headers.get("Last-Event-ID") or request.query.get("after") or "0"
    if not last.isdecimal():
        raise InvalidValue("Last-Event-ID is the number of an event.", param="Last-Event-ID")
    return min(int(last), _LARGEST_NUMBER)


def _event(numbered: Numbered) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(encode(numbered.event))
    return {"type": data.pop("type"), "number": numbered.number, "at": numbered.at, **data}


# The Video object.


def video_reply(request: web.Request, services: Services, job: JobRecord) -> web.Response:
    """The Video; of an unfinished one a header says when to ask again."""
    headers = {} if job.over() else {"openai-poll-after-ms": str(_poll_after(services, job))}
    return reply(video_object(request, services, job), headers=headers)


def _poll_after(services: Services, job: JobRecord) -> int:
    usual = services.jobs.usual_time(job)
    if usual is None:
        return _POLL_AFTER
    return min(max(round(usual * 1000 / _POLLS), _POLL_LEAST), _POLL_MOST)


def _eta(services: Services, job: JobRecord) -> int | None:
    """The whole seconds that are left of the time that jobs alike take; None once that is over, or not known."""
    usual = services.jobs.usual_time(job)
    left = 0.0 if usual is None else job.created_at + usual - time.time()
    return math.ceil(left) if left > 0 else None


def video_object(request: web.Request, services: Services, job: JobRecord) -> dict[str, Any]:
    """All 13 keys of OpenAI's Video, and ours beside them."""
    made = job.media()[0] if job.media() else None
    video = {
        "id": job.id,
        "object": "video",
        "model": job.model,
        "status": _status(job),
        "progress": job.progress,
        "created_at": int(job.created_at),
        "completed_at": _seconds(job.completed_at),
        "expires_at": _seconds(job.expires_at),
        "error": None if job.error is None else error_object(job.error),
        "prompt": job.prompt,
        "size": f"{made.width}x{made.height}" if made else job.size,
        "seconds": _length(job.seconds),
        "remixed_from_video_id": job.source,
    }
    return video | _beside(request, services, job)


def _beside(request: web.Request, services: Services, job: JobRecord) -> dict[str, Any]:
    beside: dict[str, Any] = {}
    if job.share_id is not None:
        beside |= {"share_id": job.share_id, "share_url": services.link(request, f"/p/{job.share_id}")}
    if job.status == "completed" and job.media():
        beside["url"] = services.media_link(request, job.media()[0], until=job.expires_at)
    if not job.over():
        beside |= {
            "events_url": services.link(request, f"/v1/videos/{job.id}/events"),
            "cancel_url": services.link(request, f"/v1/videos/{job.id}/cancel"),
        }
        passing = {
            "waiting_for": job.waiting_for,
            "queue_position": job.queue_position,
            "eta_seconds": _eta(services, job),
        }
        beside |= {name: value for name, value in passing.items() if value is not None}
    return beside


def _status(job: JobRecord) -> Literal["queued", "in_progress", "completed", "failed"]:
    return "failed" if job.status == "cancelled" else job.status


def _seconds(moment: float | None) -> int | None:
    return None if moment is None else math.floor(moment)


def _length(seconds: float | None) -> str:
    return "0" if seconds is None else f"{seconds:g}"
