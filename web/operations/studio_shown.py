"""What was made, as the studio shows it: as a card among others, and each job by itself."""

import time

from msgspec import Struct

from sora2api.jobs import JobRecord
from sora2api.jobs.browsing import Listed
from sora2api.jobs.records import JobKind, Status
from sora2api.modes import Failure, Kind, Media
from sora2api.web.operation import Desk


class Card(Struct, frozen=True, kw_only=True):
    """A job among others. *poster* is the path of a picture."""

    id: str
    status: Status
    kind: JobKind
    prompt: str
    model: str
    seconds: float | None
    progress: int
    created_at: float
    poster: str | None


class StudioHistory(Struct, frozen=True):
    """The newest first. *next*: what to ask for as `after` to get those that follow; null: there are none."""

    jobs: tuple[Card, ...]
    next: str | None


class StudioFile(Struct, frozen=True, kw_only=True):
    """*path* is that of a link, which needs no key and expires."""

    kind: Kind
    path: str
    width: int
    height: int
    seconds: float | None


class Made(Struct, frozen=True, kw_only=True):
    """A job as the studio shows it. *eta*: the seconds until its end, going by jobs alike; *share* a page's address."""

    id: str
    status: Status
    kind: JobKind
    mode: str
    model: str
    prompt: str
    size: str
    seconds: float | None
    progress: int
    waiting_for: str | None
    eta: float | None
    error: Failure | None
    key: str
    created_at: float
    expires_at: float | None
    files: tuple[StudioFile, ...]
    poster: str | None
    character: str | None
    share: str | None


async def made(desk: Desk, job: JobRecord) -> Made:
    jobs, links = desk.office.jobs, desk.office.links
    kept = job.expires_at is None or job.expires_at > time.time()
    frame = await jobs.frame(job) if job.over() else None
    usual = None if job.over() else jobs.usual_time(job)
    character = job.character()
    shared = job.share_id if desk.office.settings().sharing else None
    return Made(
        id=job.id,
        status=job.status,
        kind=job.kind,
        mode=job.mode,
        model=job.model,
        prompt=job.prompt,
        size=job.size,
        seconds=job.seconds,
        progress=job.progress,
        waiting_for=job.waiting_for,
        eta=None if usual is None else max(round(job.created_at + usual - time.time()), 0),
        error=job.error,
        key=job.owner,
        created_at=job.created_at,
        expires_at=job.expires_at,
        files=tuple(_file(media, links.path(media, until=job.expires_at)) for media in job.media() if kept),
        poster=None if frame is None else links.path(frame),
        character=None if character is None else character.name,
        share=shared and f"{desk.base}/p/{shared}",
    )


def _file(media: Media, path: str) -> StudioFile:
    return StudioFile(kind=media.kind, path=path, width=media.width, height=media.height, seconds=media.seconds)


def card(desk: Desk, job: Listed) -> Card:
    return Card(
        id=job.id,
        status=job.status,
        kind=job.kind,
        prompt=job.prompt,
        model=job.model,
        seconds=job.seconds,
        progress=job.progress,
        created_at=job.created_at,
        poster=None if job.frame is None else desk.office.links.path(job.frame, until=job.expires_at),
    )
