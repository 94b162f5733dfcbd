"""The audit: who changed what, when, from where, and how it was before and after. Never a secret."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, update

from sora2api.errors import NotFound
from sora2api.store.database import Database
from sora2api.store.keyset import behind
from sora2api.store.tables import audit

_BEGUN: Final = "begun"
_DONE: Final = "done"


class Entry(Struct, frozen=True, kw_only=True):
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

    async def page(
        self, *, after: str | None, limit: int, user: str | None = None, operation: str | None = None
    ) -> tuple[Sequence[Entry], bool]:
        """At most *limit* entries, the newest first, behind the one *after*; and whether there are more."""
        wanted = select(audit)
        if user is not None:
            wanted = wanted.where(audit.c.user == user)
        if operation is not None:
            wanted = wanted.where(audit.c.operation == operation)
        last = None if after is None else await self.get(after)
        wanted = behind(wanted, audit, None if last is None else (last.created_at, last.id), ascending=False)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.limit(limit + 1))).mappings().all()
        return [_entry(dict(row)) for row in rows[:limit]], len(rows) > limit

    async def get(self, entry_id: str) -> Entry:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(audit).where(audit.c.id == entry_id))).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such entry in the audit.")
        return _entry(dict(row))


def _entry(row: dict[str, Any]) -> Entry:
    for name in ("before", "after"):
        row[name] = None if row[name] is None else msgspec.json.decode(row[name])
    return Entry(**row)
