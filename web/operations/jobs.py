"""The jobs of all owners: looking through them, seeing all of one, cancelling, deleting, asking again."""

import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from sora2api.auth.limits import UNLIMITED, Limits
from sora2api.errors import InvalidValue, NotFound
from sora2api.jobs.browsing import STATES, Cursor, Filters, State
from sora2api.jobs.steering import Selection
from sora2api.web.operation import Change, Desk, Operation
from sora2api.web.operations.job_shown import JobBrief, JobView, JobWhole, brief, view, whole
from sora2api.web.words import N_

_ID: Final = ("video_", "image_", "cast_", "s_")
_ID_LENGTH: Final = 32


class JobList(Struct, frozen=True, kw_only=True):
    """The newest first. *newer* and *older* are what to ask for as `before` and `after`; null: there is no more.

    A page may have fewer jobs than fit on it, and yet not be the last.
    """

    jobs: tuple[JobView, ...]
    newer: str | None
    older: str | None


class JobsAsked(Struct, frozen=True, kw_only=True):
    """Which jobs: those that meet all that is given. *search*: words of the prompt, or an id or how it begins.

    *key* and *account* are ids or names. *since* and *until* are seconds since the epoch, *within* seconds before now.
    """

    state: State | None = None
    search: str | None = None
    model: str | None = None
    key: str | None = None
    account: str | None = None
    mode: str | None = None
    since: float | None = None
    until: float | None = None
    within: float | None = None
    after: str | None = None
    before: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class JobId(Struct, frozen=True):
    id: str


class JobAgain(Struct, frozen=True):
    """*sandbox*: as a trial on the built-in sandbox, which costs nothing and counts for nobody."""

    id: str
    sandbox: bool = False


class JobIds(Struct, frozen=True):
    ids: tuple[str, ...]


class Unfinished(Struct, frozen=True, kw_only=True):
    """Unfinished jobs: those that meet all that is given. *older*: asked for more than so many seconds ago."""

    ids: tuple[str, ...] = ()
    state: State | None = None
    model: str | None = None
    key: str | None = None
    older: float | None = None


async def list_jobs(desk: Desk, asked: JobsAsked) -> JobList:
    filters = _filters(desk, asked)
    after, before = _cursor(asked.after), _cursor(asked.before)
    page = await desk.office.browsing.page(filters, after=after, before=before, limit=asked.limit)
    return JobList(
        jobs=tuple(view(desk, job) for job in page.jobs), newer=_written(page.newer), older=_written(page.older)
    )


async def get_job(desk: Desk, asked: JobId) -> JobWhole:
    history = await desk.office.histories.get(asked.id)
    (listed,) = await desk.office.browsing.some((asked.id,))
    return await whole(desk, history, listed)


async def cancel_job(desk: Desk, asked: JobId) -> Change:
    jobs = desk.office.jobs
    cancelled = brief(await jobs.cancel(asked.id, owner=(await jobs.get(asked.id)).owner))
    return Change(subject=asked.id, value=cancelled, after=cancelled)


async def cancel_jobs(desk: Desk, asked: Unfinished) -> Change:
    if asked == Unfinished():
        raise InvalidValue("Say which jobs: their ids, or a state, a model, a key, an age.")
    selection = Selection(
        ids=asked.ids,
        statuses=STATES[asked.state] if asked.state else (),
        model=asked.model,
        owner=asked.key and _named(asked.key, desk.office.keys.list()),
        created_before=None if asked.older is None else time.time() - asked.older,
    )
    ids = tuple(await desk.office.jobs.cancel_all(selection))
    return Change(subject=str(len(ids)), value=JobIds(ids), before=asked, after=JobIds(ids))


async def delete_job(desk: Desk, asked: JobId) -> Change:
    await _delete(desk, asked.id)
    return Change(subject=asked.id)


async def delete_jobs(desk: Desk, asked: JobIds) -> Change:
    """Those that are gone already are passed over."""
    gone = []
    for job_id in asked.ids:
        try:
            await _delete(desk, job_id)
        except NotFound:
            continue
        gone.append(job_id)
    return Change(subject=str(len(gone)), value=JobIds(tuple(gone)), after=JobIds(tuple(gone)))


async def run_again(desk: Desk, asked: JobAgain) -> Change:
    jobs = desk.office.jobs
    if asked.sandbox:
        made = brief(await jobs.tried(asked.id))
    else:
        made = brief(await jobs.again(asked.id, limits=_limits(desk, (await jobs.get(asked.id)).owner)))
    return Change(subject=made.id, value=made, before=asked, after=made)


async def _delete(desk: Desk, job_id: str) -> None:
    """What was said of it in the log goes first, so that a crash in between leaves nothing that looks gone."""
    job = await desk.office.jobs.get(job_id)
    await desk.office.jobs.cancel(job_id, owner=job.owner)
    await desk.office.requests.forget(job_id)
    await desk.office.jobs.delete(job_id, owner=job.owner)


def _limits(desk: Desk, owner: str) -> Limits:
    """Those of a job's key; none where it was revoked."""
    return next((key.limits for key in desk.office.keys.list() if key.id == owner), UNLIMITED)


# What is asked for.


def _filters(desk: Desk, asked: JobsAsked) -> Filters:
    search = (asked.search or "").strip()
    known = search.startswith(_ID) and len(search.partition("_")[2]) == _ID_LENGTH
    since = [at for at in (asked.since, asked.within and time.time() - asked.within) if at]
    return Filters(
        id=search if known else None,
        state=asked.state,
        text=None if known or not search else search,
        model=asked.model,
        owner=asked.key and _named(asked.key, desk.office.keys.list()),
        account=asked.account and _named(asked.account, desk.office.accounts.all()),
        mode=asked.mode,
        since=max(since, default=None),
        until=asked.until,
    )


def _named(word: str, things: Sequence[Any]) -> str:
    """The id of what is meant by its id or its name; a word that is neither is an id of what is no more."""
    return next((thing.id for thing in things if word in (thing.id, thing.name)), word)


def _cursor(written: str | None) -> Cursor | None:
    if written is None:
        return None
    at, _, job_id = written.partition("~")
    try:
        return float(at), job_id
    except ValueError as error:
        raise InvalidValue("A page is asked for by what a list says of the one beside it.") from error


def _written(cursor: Cursor | None) -> str | None:
    return None if cursor is None else f"{cursor[0]!r}~{cursor[1]}"


TABLE = (
    Operation(
        name="jobs.list",
        method="GET",
        path="/jobs",
        summary="List jobs of all owners, the newest first",
        does=list_jobs,
        takes=JobsAsked,
        gives=JobList,
    ),
    Operation(
        name="jobs.get",
        method="GET",
        path="/jobs/{id}",
        summary="Show all that is known of a job",
        does=get_job,
        takes=JobId,
        gives=JobWhole,
    ),
    Operation(
        name="jobs.cancel",
        method="POST",
        path="/jobs/{id}/cancel",
        summary="Cancel a job; one that is over stays as it is",
        does=cancel_job,
        takes=JobId,
        gives=JobBrief,
        role="operator",
        done=N_("{subject} is cancelled."),
    ),
    Operation(
        name="jobs.cancel_all",
        method="POST",
        path="/jobs/cancel",
        summary="Cancel unfinished jobs: some, or those that wait, are made, of a model, of a key, of an age",
        does=cancel_jobs,
        takes=Unfinished,
        gives=JobIds,
        role="operator",
        done=N_("Cancelled: {subject}."),
    ),
    Operation(
        name="jobs.delete",
        method="DELETE",
        path="/jobs/{id}",
        summary="Delete a job with its files, its prompt, its events and what the log has of it",
        does=delete_job,
        takes=JobId,
        gives=None,
        role="operator",
        done=N_("{subject} is deleted, with all that it made."),
    ),
    Operation(
        name="jobs.delete_all",
        method="POST",
        path="/jobs/delete",
        summary="Delete some jobs, as one is",
        does=delete_jobs,
        takes=JobIds,
        gives=JobIds,
        role="operator",
        done=N_("Deleted: {subject}."),
    ),
    Operation(
        name="jobs.again",
        method="POST",
        path="/jobs/{id}/again",
        summary="Ask again for what a job was asked for, as its owner; or try it on the built-in sandbox",
        does=run_again,
        takes=JobAgain,
        gives=JobBrief,
        role="operator",
        done=N_("It is asked for again, as {subject}."),
    ),
)
