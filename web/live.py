"""GET /admin/live: tells a page that is open what has changed, at most once a second, as server-sent events."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec
from aiohttp import web
from aiohttp_sse import EventSourceResponse
from msgspec import Struct

from sora2api.jobs import JobRecord, Jobs
from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.keys import SESSIONS
from sora2api.web.news import changed
from sora2api.web.office import OFFICE, Office
from sora2api.web.sentences import say

EVERY: Final = 1.0
HEARTBEAT: Final = 15.0
MOST_STREAMS: Final = 8
"""Pages of one session that may listen at a time."""
MOST_JOBS: Final = 100
"""Jobs whose progress one page may follow."""
_LOOK_AT_SESSION: Final = 5
"""So many rounds lie between two looks whether the session still is."""

_OPEN: Final = web.AppKey("OPEN_STREAMS", Counter[str])


class Glance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job under way, as a list shows it. *eta*: seconds until its end, going by jobs alike."""

    id: str
    status: str
    percent: int
    waiting_for: str | None = None
    eta: float | None = None


class Told(Struct, frozen=True, omit_defaults=True):
    """What one event says: the *topics* that have changed, and how the *jobs* of the page are now."""

    topics: tuple[str, ...] = ()
    jobs: tuple[Glance, ...] = ()


def set_up(app: web.Application) -> None:
    app[_OPEN] = Counter()
    app.add_routes([web.get("/live", follow, name="live")])


@signed_in
async def follow(request: web.Request) -> web.StreamResponse:
    """The query's `jobs` are the ids of those that the page shows, between commas.

    Beyond so many streams the answer is empty, after which a browser does not ask again by itself.
    """
    office, session = request.config_dict[OFFICE], guard.session(request)
    wanted = [job for job in request.query.get("jobs", "").split(",") if job][:MOST_JOBS]
    streams = request.app[_OPEN]
    if streams[session.hash] >= MOST_STREAMS:
        return web.Response(status=204)
    with _counted(streams, session.hash):
        stream = EventSourceResponse(sep="\n", ping_interval=HEARTBEAT)
        stream.force_close()
        await stream.prepare(request)
        async with stream:
            page = _Page(office, wanted)
            rounds = 0
            while not await office.jobs.stopping(seconds=EVERY):
                rounds += 1
                if rounds % _LOOK_AT_SESSION == 0 and not await request.config_dict[SESSIONS].lasts(session):
                    break
                told = page.look()
                if told != Told():
                    await _send(stream, told)
    return stream


async def _send(stream: EventSourceResponse, told: Told) -> None:
    try:
        await stream.send(msgspec.json.encode(told).decode())
    except (ConnectionError, TimeoutError) as error:  # the page has gone, which cancels a handler otherwise too
        raise asyncio.CancelledError from error


class _Page:
    """What an open page knows already."""

    def __init__(self, office: Office, jobs: list[str]) -> None:
        self._office = office
        self._wanted = jobs
        self._topics = self._now()
        self._told: dict[str, Glance] = {}

    def look(self) -> Told:
        """What is new since the last look."""
        now = self._now()
        topics, self._topics = changed(self._topics, now), now
        glances = {glance.id: glance for glance in map(self._glance, self._wanted) if glance is not None}
        news = tuple(glance for job, glance in glances.items() if self._told.get(job) != glance)
        self._told = glances
        return Told(tuple(topics), news)

    def _now(self) -> Mapping[str, int]:
        office = self._office
        news = office.news.now()
        accounts = news.get("accounts", 0) + office.accounts.changes
        return {**news, "accounts": accounts, "jobs": office.jobs.changes, "requests": office.requests.changes}

    def _glance(self, job_id: str) -> Glance | None:
        job = self._office.jobs.live(job_id)
        return None if job is None else glance(job, self._office.jobs)


def glance(job: JobRecord, jobs: Jobs) -> Glance:
    usual = jobs.usual_time(job)
    left = 0 if usual is None else round(job.created_at + usual - time.time())
    eta = left if left > 0 else None
    why = None if job.waiting_for is None else say(job.waiting_for)
    return Glance(id=job.id, status=job.status, percent=job.progress, waiting_for=why, eta=eta)


@contextmanager
def _counted(streams: Counter[str], session: str) -> Iterator[None]:
    """Count one stream of a session, as long as it is open."""
    streams[session] += 1
    try:
        yield
    finally:
        streams[session] -= 1
        if not streams[session]:
            del streams[session]
