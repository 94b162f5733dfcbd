"""A job as the panel and its API show it: in a list, and with all that is known of it."""

import time
from typing import Any

import msgspec
from msgspec import Struct

from sora2api.errors import NotFound
from sora2api.jobs import JobRecord
from sora2api.jobs.browsing import Listed
from sora2api.jobs.records import JobKind, Status
from sora2api.jobs.steering import UNFINISHED
from sora2api.modes import Failure, Media, Output
from sora2api.observe.history import History, Moment, timeline
from sora2api.web.operation import Desk


class JobView(Struct, frozen=True, kw_only=True):
    """A job in a list. Times are seconds since the epoch; *prompt* is its beginning.

    *key* is the name of its owner, *account* who makes it or made it, *poster* a path of the picture that stands for
    it; *eta* the seconds until its end, going by jobs alike. Why it waits, and how many go before it and itself, is
    known while it does. *sandbox*: a trial on the built-in sandbox, which counts for nobody.
    """

    id: str
    status: Status
    kind: JobKind
    mode: str
    model: str
    prompt: str
    size: str
    seconds: float | None
    progress: int
    owner: str
    key: str | None
    account: str | None
    error: Failure | None
    share_id: str | None
    created_at: float
    started_at: float | None
    completed_at: float | None
    expires_at: float | None
    sandbox: bool
    poster: str | None
    waiting_for: str | None
    queue_position: int | None
    eta: float | None

    @property
    def over(self) -> bool:
        return self.status not in UNFINISHED


class JobFile(Struct, frozen=True, kw_only=True):
    """A file of a job. *path* is a link to it on this server; null: it is not kept any more."""

    id: str
    role: str
    kind: str
    content_type: str
    bytes: int
    width: int
    height: int
    seconds: float | None
    expires_at: float | None
    path: str | None


class JobWhole(Struct, frozen=True, kw_only=True):
    """All that is known of a job. *made* are the files of its result; *request* and *reply* are from the log.

    *moments* is everything that happened, in order; *share* the address of its share page while there is one.
    """

    job: JobView
    text: str
    made: tuple[JobFile, ...]
    files: tuple[JobFile, ...]
    history: History
    moments: tuple[Moment, ...]
    request: Any
    reply: Any
    share: str | None


class JobBrief(Struct, frozen=True, kw_only=True):
    """What a change has made of a job."""

    id: str
    status: Status
    model: str
    mode: str


def brief(job: JobRecord) -> JobBrief:
    return JobBrief(id=job.id, status=job.status, model=job.model, mode=job.mode)


def view(desk: Desk, listed: Listed) -> JobView:
    """A job of a list; one that is being worked as it is now."""
    live = desk.office.jobs.live(listed.id)
    usual = None if live is None else desk.office.jobs.usual_time(live)
    left = 0.0 if usual is None else listed.created_at + usual - time.time()
    fields = {name: getattr(listed, name) for name in Listed.__struct_fields__ if name in JobView.__struct_fields__}
    return JobView(
        **fields
        | {
            "status": listed.status if live is None else live.status,
            "progress": listed.progress if live is None else live.progress,
            "poster": None if listed.frame is None else desk.office.links.path(listed.frame),
            "waiting_for": None if live is None else live.waiting_for,
            "queue_position": None if live is None else live.queue_position,
            "eta": left if left > 0 else None,
        }
    )


async def whole(desk: Desk, history: History, listed: Listed) -> JobWhole:
    outputs = msgspec.convert(history.job["outputs"] or (), tuple[Output, ...])
    files = tuple(_file(desk, row) for row in history.files)
    made = [media.asset for output in outputs for media in output.media]
    request, reply = await _bodies(desk, history.job["request_id"])
    shared = listed.share_id if desk.office.settings().sharing else None
    return JobWhole(
        job=view(desk, listed),
        text="\n\n".join(output.text for output in outputs if output.text),
        made=tuple(file for file in files if file.id in made),
        files=tuple(file for file in files if file.id not in made),
        history=history,
        moments=tuple(timeline(history)),
        request=request,
        reply=reply,
        share=None if shared is None else f"{desk.base}/p/{shared}",
    )


def _file(desk: Desk, row: dict[str, Any]) -> JobFile:
    media = Media(**{name: row[name] for name in Media.__struct_fields__ if name != "asset"}, asset=row["id"])
    kept = row["expires_at"] is None or row["expires_at"] > time.time()
    return JobFile(
        **{name: row[name] for name in JobFile.__struct_fields__ if name != "path"},
        path=desk.office.links.path(media, until=row["expires_at"]) if kept else None,
    )


async def _bodies(desk: Desk, request_id: str | None) -> tuple[Any, Any]:
    """What the log has of the request that made a job, and of its reply."""
    try:
        logged = None if request_id is None else await desk.office.log.get(request_id)
    except NotFound:
        return None, None
    return (None, None) if logged is None else (logged.request, logged.reply)
