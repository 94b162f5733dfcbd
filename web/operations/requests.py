"""The log of requests: searched, read, exported, and cut by age."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from sora2api.auth.moments import past
from sora2api.errors import InvalidValue
from sora2api.observe.export import Format, exported
from sora2api.observe.reader import Cursor, Filters, LoggedRequest, Whole
from sora2api.web.operation import Change, Desk, Download, Operation
from sora2api.web.words import N_

_TYPES: Mapping[Format, str] = {"csv": "text/csv", "jsonl": "application/jsonl"}


class RequestFilters(Struct, frozen=True, kw_only=True):
    """Which requests; all of what is given must hold.

    *key* is an id or a name, *job* an id, *path* what the path begins with, *text* some words of the prompt. *since*
    and *until*: `30d`, `12h` or `90m` ago, or a day or time as in 2027-01-31T12:00 (UTC).
    """

    key: str | None = None
    status: Annotated[int, Meta(ge=100, le=599)] | None = None
    code: str | None = None
    mode: str | None = None
    model: str | None = None
    account: str | None = None
    job: str | None = None
    path: str | None = None
    text: str | None = None
    since: str | None = None
    until: str | None = None


class RequestsAsked(RequestFilters, frozen=True, kw_only=True):
    """*after* is the `next` of the page before."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class RequestList(Struct, frozen=True):
    """The newest first. *next*: what to ask for as `after` to go on; null: there is no more.

    A page may have fewer than asked for, or none, and yet not be the last.
    """

    requests: tuple[LoggedRequest, ...]
    next: str | None


class RequestsExported(RequestFilters, frozen=True, kw_only=True):
    format: Format = "jsonl"


class RequestId(Struct, frozen=True):
    id: str


class RequestsRemove(Struct, frozen=True):
    """*before*: `30d`, `12h` or `90m` ago, or a day or time as in 2027-01-31T12:00 (UTC)."""

    before: str


class Removed(Struct, frozen=True):
    """How many *rows* went at once: requests, and calls to engines. Of very many the rest goes by and by."""

    rows: int


async def list_requests(desk: Desk, asked: RequestsAsked) -> RequestList:
    after = None if asked.after is None else _cursor(asked.after)
    page = await desk.office.log.page(_filters(desk, asked), after=after, limit=asked.limit)
    return RequestList(tuple(page.entries), page.last and f"{page.last[0]!r}.{page.last[1]}")


async def get_request(desk: Desk, asked: RequestId) -> Whole:
    return await desk.office.log.get(asked.id)


async def export_requests(desk: Desk, asked: RequestsExported) -> Download:
    entries = desk.office.log.all(_filters(desk, asked))
    return Download(f"requests.{asked.format}", _TYPES[asked.format], exported(entries, asked.format))


async def remove_requests(desk: Desk, asked: RequestsRemove) -> Change:
    before = past(asked.before, param="before")
    rows = await desk.office.requests.remove(before=before)
    return Change(subject=str(rows), value=Removed(rows), after={"before": before, "rows": rows})


def _filters(desk: Desk, asked: RequestFilters) -> Filters:
    named = next((key.id for key in desk.office.keys.list() if asked.key == key.name), asked.key)
    return Filters(
        key_id=named,
        status=asked.status,
        code=asked.code,
        mode=asked.mode,
        model=asked.model,
        account=asked.account,
        job_id=asked.job,
        path=asked.path,
        since=None if asked.since is None else past(asked.since, param="since"),
        until=None if asked.until is None else past(asked.until, param="until"),
        text=asked.text,
    )


def _cursor(after: str) -> Cursor:
    moment, _, request_id = after.rpartition(".")
    try:
        return float(moment), request_id
    except ValueError:
        raise InvalidValue("This is no `next` of a page before.", param="after") from None


TABLE = (
    Operation(
        name="requests.list",
        method="GET",
        path="/requests",
        summary="Search the log of requests",
        does=list_requests,
        takes=RequestsAsked,
        gives=RequestList,
    ),
    Operation(
        name="requests.export",
        method="GET",
        path="/requests/export",
        summary="The log of requests as a file: JSON Lines, or CSV",
        does=export_requests,
        takes=RequestsExported,
        gives=Download,
    ),
    Operation(
        name="requests.get",
        method="GET",
        path="/requests/{id}",
        summary="Show a request with its bodies, as far as they are kept, and the calls made for it",
        does=get_request,
        takes=RequestId,
        gives=Whole,
    ),
    Operation(
        name="requests.remove",
        method="DELETE",
        path="/requests",
        summary="Remove what was logged before a moment",
        does=remove_requests,
        takes=RequestsRemove,
        gives=Removed,
        role="administrator",
        done=N_("{subject} rows of the log are removed."),
    ),
)
