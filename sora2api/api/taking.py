"""Taking a job for a request, by what its headers say: sent again, not to take longer than, to be waited for."""

import re
from collections.abc import Awaitable, Collection
from typing import Final

import msgspec
from aiohttp import web

from sora2api.api.services import KEY, SERVICES
from sora2api.errors import InvalidValue
from sora2api.jobs import JobRecord, Once
from sora2api.media.store import Arrival
from sora2api.modes import Request
from sora2api.observe.requests import REQUEST_ID, made

_LONGEST_KEY: Final = 255
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_UNITS: Final = (3600, 60, 1)
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait(?:=(\d+))?(?:$|[,;\s])")
_DEFAULT_WAIT: Final = 60.0


async def take(http: web.Request, asked: Request, arrivals: Collection[Arrival]) -> JobRecord:
    """The job of a request: a new one, or the one that this very request made before."""
    jobs = http.config_dict[SERVICES].jobs
    job = await jobs.take(
        asked,
        arrivals,
        once=_once(http),
        cancel_after=_cancel_after(http),
        request_id=http[REQUEST_ID],
        limits=http[KEY].limits,
    )
    made(http, job.id, mode=job.mode, model=job.model, prompt=job.prompt)
    return job


def _once(http: web.Request) -> Once:
    """`Idempotency-Key`, and the count by which OpenAI's SDKs say that they try again by themselves."""
    key = http.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise InvalidValue(f"Idempotency-Key has 1 to {_LONGEST_KEY} characters.", param="Idempotency-Key")
    return Once(key=key, retry=http.headers.get("x-stainless-retry-count", "0") not in ("0", ""))


def _cancel_after(http: web.Request) -> float | None:
    """`Cancel-After: 1h30m`, `90s` or `90`, in Replicate's words: when a job is cancelled if it is not over."""
    given = http.headers.get("Cancel-After")
    if given is None:
        return None
    parts = _DURATION.fullmatch(given.strip())
    seconds = (
        0.0
        if parts is None
        else sum(float(part or 0) * unit for part, unit in zip(parts.groups(), _UNITS, strict=True))
    )
    if seconds < 1:
        raise InvalidValue("Cancel-After is a time of at least a second: 90s, 5m, 1h30m.", param="Cancel-After")
    return seconds


async def waited(http: web.Request, job: JobRecord) -> JobRecord:
    """The job once it is over, or as it is after the seconds of `Prefer: wait=N`; just made where that is not asked.

    The same request sent again gets the same reply then, however far its job has come.
    """
    asked = _WAIT.search(http.headers.get("Prefer", ""))
    if asked is None:
        return _just_made(job)
    services = http.config_dict[SERVICES]
    seconds = min(float(asked[1] or _DEFAULT_WAIT), services.settings.wait_limit)
    await services.jobs.wait(job.id, seconds=seconds)
    return await services.jobs.get(job.id)


def _just_made(job: JobRecord) -> JobRecord:
    return msgspec.structs.replace(
        job,
        status="queued",
        progress=0,
        error=None,
        outputs=(),
        engine=None,
        share_id=None,
        completed_at=None,
        expires_at=None,
        waiting_for=None,
        queue_position=None,
    )


async def answered(http: web.Request, job: JobRecord, answer: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    """Make the *answer* to a job's request and write it whole; then an SDK's retry of the request is another one."""
    with http.config_dict[SERVICES].jobs.answering(job):
        response = await answer
        if not response.prepared:
            await response.prepare(http)
            await response.write_eof()
    return response
