"""The audit: who changed what, when, from where, and how it was before and after. Never a secret."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, insert, select, update

from sora2api.errors import NotFound
from sora2api.store.database import Database
from sora2api.store.keyset import behind
from sora2api.store.tables import audit

_BEGUN: Final = "begun"
_DONE: Final = "done"


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change. *outcome*: `done`, `begun` where the server ended before it was known, else the code of an error."""

    id: str
    created_at: float
    user: str
    address: str
    operation: str
    subject: str
    outcome: str
    before: Any = None
    after: Any = None


class Wanted(Struct, frozen=True, kw_only=True):
    """Entries that meet all that is given. *operation*: `keys.create`, or `keys` for all that was done to keys.

    *since* and *until* are seconds since the epoch.
    """

    user: str | None = None
    operation: str | None = None
    subject: str | None = None
    since: float | None = None
    until: float | None = None

    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """As conditions on the table."""
        conditions: list[ColumnElement[bool]] = []
        if self.user is not None:
            conditions.append(audit.c.user == self.user)
        if self.subject is not None:
            conditions.append(audit.c.subject == self.subject)
        if self.operation is not None and "." in self.operation:
            conditions.append(audit.c.operation == self.operation)
        elif self.operation is not None:
            # From `keys.` to before `keys/`: a range of the index.
            conditions += [audit.c.operation >= f"{self.operation}.", audit.c.operation < f"{self.operation}/"]
        if self.since is not None:
            conditions.append(audit.c.created_at >= self.since)
        if self.until is not None:
            conditions.append(audit.c.created_at < self.until)
        return conditions


class Audit:
    """Writes and reads the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, *, user: str, address: str, operation: str) -> str:
        """Put on record that something is about to be done; the entry's id."""
        entry = {
            "id": f"audit_{secrets.token_hex(12)}",
            "created_at": time.time(),
            "user": user,
            "address": address,
            "operation": operation,
            "subject": "",
            "outcome": _BEGUN,
        }
        await self._database.write(lambda connection: connection.execute(insert(audit).values(**entry)))
        return str(entry["id"])

    async def done(self, entry: str, *, subject: str, before: Any = None, after: Any = None) -> None:
        encoded = {name: msgspec.json.encode(value) for name, value in (("before", before), ("after", after))}
        await self._end(entry, outcome=_DONE, subject=subject[:200], **encoded)

    async def failed(self, entry: str, code: str) -> None:
        await self._end(entry, outcome=code)

    async def _end(self, entry: str, **values: Any) -> None:
        ended = update(audit).where(audit.c.id == entry).values(**values)
        await self._database.write(lambda connection: connection.execute(ended))

    async def page(self, wanted: Wanted, *, after: str | None, limit: int) -> tuple[Sequence[AuditEntry], bool]:
        """At most *limit* entries, the newest first, behind the one *after*; and whether there are more."""
        found = select(audit).where(*wanted.conditions())
        last = None if after is None else await self.get(after)
        found = behind(found, audit, None if last is None else (last.created_at, last.id), ascending=False)
        async with self._database.reading() as connection:
            rows = (await connection.execute(found.limit(limit + 1))).mappings().all()
        return [_entry(dict(row)) for row in rows[:limit]], len(rows) > limit

    async def get(self, entry_id: str) -> AuditEntry:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(audit).where(audit.c.id == entry_id))).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such entry in the audit.")
        return _entry(dict(row))


def _entry(row: dict[str, Any]) -> AuditEntry:
    for name in ("before", "after"):
        row[name] = None if row[name] is None else msgspec.json.decode(row[name])
    return AuditEntry(**row)
