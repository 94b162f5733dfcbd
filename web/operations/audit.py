"""The audit: every change, with who, when, from where, and what was before and after."""

from typing import Annotated

from msgspec import Meta, Struct

from sora2api.auth.audit import AuditEntry, Wanted
from sora2api.auth.moments import moment
from sora2api.errors import InvalidValue
from sora2api.web.operation import Desk, Operation


class AuditAsked(Struct, frozen=True, kw_only=True):
    """*operation*: `keys.create`, or `keys` for all that was done to keys. *since* and *until*: days, or ISO times."""

    user: str | None = None
    operation: str | None = None
    subject: str | None = None
    since: str | None = None
    until: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class AuditPage(Struct, frozen=True):
    """The newest first. *next*: what to ask for as `after` to get those that follow; null: there are none."""

    entries: tuple[AuditEntry, ...]
    next: str | None


async def list_entries(desk: Desk, asked: AuditAsked) -> AuditPage:
    wanted = Wanted(
        user=asked.user,
        operation=asked.operation,
        subject=asked.subject,
        since=_moment(asked.since, "since"),
        until=_moment(asked.until, "until"),
    )
    entries, more = await desk.office.audit.page(wanted, after=asked.after, limit=asked.limit)
    return AuditPage(tuple(entries), entries[-1].id if more else None)


def _moment(words: str | None, field: str) -> float | None:
    try:
        return None if words is None else moment(words)
    except InvalidValue as error:
        raise InvalidValue(error.message, param=field) from error


TABLE = (
    Operation(
        name="audit.list",
        method="GET",
        path="/audit",
        summary="List what was changed, by whom, when and from where",
        does=list_entries,
        takes=AuditAsked,
        gives=AuditPage,
        role="administrator",
    ),
)
