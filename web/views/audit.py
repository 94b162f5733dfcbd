"""The audit, as a list that can be narrowed down, each entry with the difference that it made."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Struct

from sora2api.auth.audit import AuditEntry
from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import perform
from sora2api.web.pages import shell
from sora2api.web.table import BY_NAME

_LONGEST: Final = 120


class Difference(Struct, frozen=True):
    """A field that a change has set, and what it was; None: it was, or is, not there."""

    field: str
    before: str | None
    after: str | None


class Row(Struct, frozen=True):
    """An entry and the differences that it made."""

    entry: AuditEntry
    differences: tuple[Difference, ...]


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/audit", show, name="audit")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    asked = {name: value for name, value in request.query.items() if value}
    found = await perform(BY_NAME["audit.list"], desk, asked, typed=False)
    changing = sorted(operation.name for operation in BY_NAME.values() if operation.changes)
    return shell(
        request,
        "audit.html",
        section="audit",
        session=session,
        rows=[Row(entry, tuple(differences(entry.before, entry.after))) for entry in found.entries],
        older=found.next,
        filtered=bool(asked),
        users=await desk.office.users.list(),
        operations=changing,
        kinds=sorted({name.partition(".")[0] for name in changing}),
        summaries={operation.name: operation.summary for operation in BY_NAME.values()},
    )


def differences(before: Any, after: Any) -> Iterator[Difference]:
    """What differs, by the name of its field; fields within fields are told apart by a dot."""
    old, new = _flat(before), _flat(after)
    for field in sorted(old.keys() | new.keys()):
        if old.get(field) != new.get(field):
            yield Difference(field, old.get(field), new.get(field))


def _flat(value: Any, name: str = "") -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {} if value is None else {name: _words(value)}
    flat: dict[str, str] = {}
    for key, each in value.items():
        flat |= _flat(each, f"{name}.{key}" if name else str(key))
    return flat


def _words(value: Any) -> str:
    words = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
