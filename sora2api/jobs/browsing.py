"""Looking through the jobs of all owners: pages that cost the same however many there are."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Select, TextClause, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import NotFound
from sora2api.jobs.records import JobKind, Status
from sora2api.modes import Failure, Media, Output
from sora2api.store import keyset
from sora2api.store.database import Database
from sora2api.store.keyset import behind, look_through
from sora2api.store.tables import FAILED, accounts, assets, jobs, keys, tasks

Cursor = keyset.Cursor
State = Literal["waiting", "making", "done", "failed"]

STATES: Final[Mapping[State, tuple[Status, ...]]] = {
    "waiting": ("queued",),
    "making": ("in_progress",),
    "done": ("completed",),
    "failed": ("failed", "cancelled"),
}
LIVE: Final[Sequence[State]] = ("waiting", "making")
COUNTED: Final = 10_000
"""Of a state's jobs so many are counted, and no more."""
_STEPS_OF_ACCOUNT: Final = (100, 200)
"""Whose tasks a job had is looked up for each: fewer are looked at."""
_WORDS: Final = 160
_SHOWN: Final = ("id", "status", "kind", "mode", "model", "size", "seconds", "progress", "engine", "owner")
_TIMES: Final = ("created_at", "started_at", "completed_at", "expires_at")
_MORE: Final = ("share_id", "sandbox", *_TIMES)


class Filters(Struct, frozen=True, kw_only=True):
    """Which jobs are wanted; all of what is given must hold. Times in seconds since the epoch.

    *id*: a job's id, or its share id; *text*: words of the prompt, whatever their case, or how an id begins. *owner*
    and *account* are ids.
    """

    id: str | None = None
    state: State | None = None
    text: str | None = None
    model: str | None = None
    owner: str | None = None
    account: str | None = None
    mode: str | None = None
    since: float | None = None
    until: float | None = None


class Listed(Struct, frozen=True, kw_only=True):
    """A job in a list. *prompt* is its beginning; *key* the name of its owner; *account* who makes it, or made it.

    *frame* is the picture that stands for it, where it has one; *sandbox*: it is a trial on the built-in sandbox.
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
    engine: str | None
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
    frame: Media | None


class Page(Struct, frozen=True, kw_only=True):
    """Some jobs, the newest first. *newer* and *older* are behind which the pages beside begin; None: there is none."""

    jobs: Sequence[Listed]
    newer: Cursor | None
    older: Cursor | None


class Browsing:
    """Reads jobs, while they are worked or not; of the latter how far they are is as of a few seconds ago."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, filters: Filters, *, after: Cursor | None = None, before: Cursor | None = None, limit: int = 50
    ) -> Page:
        """At most *limit* jobs behind *after*, or just before *before*. It may have fewer, and yet not be the last."""
        last = before or after
        async with self._database.reading() as connection:
            found, edge = await _found(connection, filters, last, ascending=before is not None, limit=limit + 1)
            if len(found) > limit:
                edge = found[limit - 1]
            shown = sorted(found[:limit], reverse=True)
            listed = await _listed(connection, [job_id for _, job_id in shown])
        if before is not None:
            return Page(jobs=listed, newer=edge, older=shown[-1] if shown else before)
        return Page(jobs=listed, newer=(shown[0] if shown else after) if after else None, older=edge)

    async def cursor(self, job_id: str) -> Cursor:
        """Where a job stands. Raises `NotFound`."""
        async with self._database.reading() as connection:
            found = (await connection.execute(select(jobs.c.created_at).where(jobs.c.id == job_id))).scalar()
        if found is None:
            raise NotFound(f"There is no job {job_id!r} here.")
        return found, job_id

    async def some(self, job_ids: Sequence[str]) -> Sequence[Listed]:
        """Those of the jobs that there are, in the order given."""
        async with self._database.reading() as connection:
            return await _listed(connection, job_ids)

    async def counts(self) -> Mapping[State, int]:
        """How many jobs wait and are made; at most `COUNTED` of each are counted."""
        async with self._database.reading() as connection:
            return {state: await _count(connection, state) for state in LIVE}


async def _count(connection: AsyncConnection, state: State) -> int:
    """Counted in the order of time, so that the index is used which has them in it."""
    some = behind(_indexed(Filters(state=state), "state"), jobs, None, ascending=False).limit(COUNTED).subquery()
    counted: int = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    return counted


def _in_state(state: State) -> ColumnElement[bool] | TextClause:
    if state == "failed":
        return text(FAILED)
    return jobs.c.status == STATES[state][0]


def _lead(filters: Filters) -> str | None:
    """The filter that is answered by an index: the one that leaves the fewest jobs, as far as can be told."""
    given = [name for name in ("id", "owner", "model", "state") if getattr(filters, name) is not None]
    live = "id" not in given and filters.state in LIVE
    return "state" if live else given[0] if given else None


async def _found(
    connection: AsyncConnection, filters: Filters, last: Cursor | None, *, ascending: bool, limit: int
) -> tuple[Sequence[Cursor], Cursor | None]:
    """The jobs that are wanted; where they had to be looked through, the last one looked at that is not the last."""
    lead = _lead(filters)
    others = _others(filters, lead)
    wanted = _indexed(filters, lead)
    if not others:
        rows = (await connection.execute(behind(wanted, jobs, last, ascending=ascending).limit(limit))).all()
        return [(row.created_at, row.id) for row in rows], None
    needed = wanted.add_columns(*(jobs.c[name] for name in ("owner", "model", "status", "mode", "prompt")))

    def meets(some: FromClause) -> Sequence[ColumnElement[bool]]:
        return [_meets(some, filters, name) for name in others]

    steps = _STEPS_OF_ACCOUNT if "account" in others else None
    found, edge = await look_through(
        connection, needed, jobs, last, meets=meets, ascending=ascending, limit=limit, steps=steps
    )
    return [(row.created_at, row.id) for row in found], edge


def _indexed(filters: Filters, lead: str | None) -> Select[Any]:
    """Jobs by an index that has them in the order of time."""
    wanted: Select[Any] = select(jobs.c.created_at, jobs.c.id)
    if lead == "state" and filters.state is not None:
        wanted = wanted.where(_in_state(filters.state))
    elif lead == "id":
        wanted = wanted.where(or_(jobs.c.id == filters.id, jobs.c.share_id == filters.id))
    elif lead is not None:
        wanted = wanted.where(jobs.c[lead] == getattr(filters, lead))
    if filters.since is not None:
        wanted = wanted.where(jobs.c.created_at >= filters.since)
    if filters.until is not None:
        wanted = wanted.where(jobs.c.created_at < filters.until)
    return wanted


def _others(filters: Filters, lead: str | None) -> Sequence[str]:
    """The filters by which the jobs that an index finds must be looked through."""
    names = ("owner", "model", "state", "text", "account", "mode")
    return [name for name in names if name != lead and getattr(filters, name) is not None]


def _meets(some: FromClause, filters: Filters, name: str) -> ColumnElement[bool]:
    wanted = getattr(filters, name)
    if name == "state":
        return some.c.status.in_(STATES[wanted])
    if name == "text":
        return or_(some.c.prompt.contains(wanted, autoescape=True), some.c.id.startswith(wanted, autoescape=True))
    if name == "account":
        makers = select(tasks.c.account_id).where(tasks.c.job_id == some.c.id)
        return literal(wanted).in_(makers)  # not `exists`, which may go through all tasks of the account
    equal: ColumnElement[bool] = some.c[name] == wanted
    return equal


# What a list shows.


async def _listed(connection: AsyncConnection, job_ids: Sequence[str]) -> Sequence[Listed]:
    columns = [jobs.c[name] for name in (*_SHOWN, *_MORE, "error", "outputs")]
    prompt, key = func.substr(jobs.c.prompt, 1, _WORDS).label("prompt"), keys.c.name.label("key")
    wanted = select(*columns, prompt, key).outerjoin_from(jobs, keys, keys.c.id == jobs.c.owner)
    rows = {row.id: row for row in await connection.execute(wanted.where(jobs.c.id.in_(job_ids)))}
    makers, frames = await _accounts(connection, job_ids), await _frames(connection, job_ids)
    return [
        Listed(
            **{name: getattr(rows[each], name) for name in (*_SHOWN, *_MORE, "prompt", "key")},
            account=makers.get(each, rows[each].engine),
            error=None if rows[each].error is None else msgspec.json.decode(rows[each].error, type=Failure),
            frame=frames.get(each) or _picture(rows[each]),
        )
        for each in job_ids
        if each in rows
    ]


async def _accounts(connection: AsyncConnection, job_ids: Sequence[str]) -> Mapping[str, str]:
    """Who was last asked to make each."""
    wanted = select(tasks.c.job_id, accounts.c.name).join_from(tasks, accounts).where(tasks.c.job_id.in_(job_ids))
    found = await connection.execute(wanted.order_by(tasks.c.intended_at, tasks.c.attempt))
    return {row.job_id: row.name for row in found}


async def _frames(connection: AsyncConnection, job_ids: Sequence[str]) -> Mapping[str, Media]:
    """The frames that were kept of videos."""
    wanted = select(assets).where(assets.c.job_id.in_(job_ids), assets.c.role == "frame")
    return {
        row.job_id: Media(
            asset=row.id, kind=row.kind, content_type=row.content_type, width=row.width, height=row.height
        )
        for row in await connection.execute(wanted)
    }


def _picture(row: Any) -> Media | None:
    """The first picture that a job made, while it is kept."""
    if row.outputs is None or (row.expires_at is not None and row.expires_at < time.time()):
        return None
    made = (media for output in msgspec.json.decode(row.outputs, type=tuple[Output, ...]) for media in output.media)
    return next((media for media in made if media.kind == "image"), None)
