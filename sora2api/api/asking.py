"""What requests for media have in common, whatever their wire format."""

import math
from typing import Any, Final

from aiohttp import web

from sora2api.api.replies import problem
from sora2api.api.services import Services
from sora2api.errors import ClientError, Draining, InvalidValue, WaitTimeout
from sora2api.jobs import JobRecord
from sora2api.media.store import Arrival
from sora2api.modes import Failure, Kind, Media

_LONGEST_URL: Final = 2000


def number_of(seconds: float | str | None) -> float | None:
    """A length that may come as text ("8"), as the SDKs send it."""
    if seconds is None:
        return None
    try:
        length = float(seconds)
    except ValueError:
        length = math.nan
    if not 0 < length < math.inf:
        raise InvalidValue("`seconds` must be a positive number.", param="seconds")
    return length


def only(kind: Kind, arrivals: list[Arrival], *, param: str) -> tuple[Media, ...]:
    """The uploaded files of a field that takes one *kind*."""
    for arrival in arrivals:
        if arrival.media.kind != kind:
            raise InvalidValue(f"`{param}` takes {kind}s, and this is a file of another kind.", param=param)
    return tuple(arrival.media for arrival in arrivals)


async def postable(services: Services, url: str | None, *, param: str) -> str | None:
    """A URL that is to be told something. One that is no http(s) URL, or leads somewhere private, is refused."""
    if url is None:
        return None
    if len(url) > _LONGEST_URL:
        raise InvalidValue(f"`{param}` is longer than {_LONGEST_URL} characters.", param=param)
    try:
        await services.fetch.check(url)
    except ClientError as error:
        error.param = param
        raise
    return url


async def over(services: Services, job: JobRecord) -> ClientError | Failure | None:
    """Wait until the *job* is over, as long as the settings allow; what stands against a result."""
    limit = services.settings.wait_limit
    if await services.jobs.wait(job.id, seconds=limit):
        return job.error
    if services.jobs.draining:
        return Draining(f"The server is stopping. The job {job.id} goes on when it is back.")
    return WaitTimeout(f"Not ready within {limit:g} s. The job goes on: GET /v1/videos/{job.id} tells how it is.")


def unfinished(error: ClientError | Failure, **beside: Any) -> web.Response:
    """The reply where `over` found something; not to be sent again by itself, since that would be another job."""
    response = problem(error, **beside)
    response.headers["x-should-retry"] = "false"
    return response
