"""Pages by time and id. A page is known by the entry before it, so it costs the same however far back it lies."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Row, Select, Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

Cursor = tuple[float, str]
"""The time and the id of an entry."""

STEPS: Final = (100, 400, 1500)
"""So many entries are looked at, then so many more, for a page whose conditions no index answers."""


def behind(
    wanted: Select[Any],
    table: Table,
    last: Cursor | None,
    *,
    ascending: bool,
    moment: str = "created_at",
) -> Select[Any]:
    """*wanted* in the order of the table's column *moment* and `id`, from behind the entry that has *last*."""
    key = tuple_(table.c[moment], table.c.id)
    if last is not None:
        wanted = wanted.where(key > last if ascending else key < last)
    order = (table.c[moment], table.c.id)
    return wanted.order_by(*order) if ascending else wanted.order_by(*(column.desc() for column in order))


async def look_through(
    connection: AsyncConnection,
    wanted: Select[Any],
    table: Table,
    last: Cursor | None,
    *,
    meets: Callable[[FromClause], Sequence[ColumnElement[bool]]],
    ascending: bool,
    limit: int,
    moment: str = "created_at",
    steps: Sequence[int] | None = None,
) -> tuple[Sequence[Row[Any]], Cursor | None]:
    """At most *limit* of the next entries of *wanted* that *meets* the conditions, and the last one looked at.

    There is none of the latter where nothing lies behind it. *wanted* has the *moment*, the id, and what *meets* needs.
    """
    found: list[Row[Any]] = []
    for step in STEPS if steps is None else steps:
        ahead = behind(wanted, table, last, ascending=ascending, moment=moment)
        some = ahead.limit(step).subquery()
        order = (some.c[moment], some.c.id)
        met = select(some).where(*meets(some)).order_by(*(order if ascending else [each.desc() for each in order]))
        found += (await connection.execute(met.limit(limit - len(found)))).all()
        end = ahead.with_only_columns(table.c[moment], table.c.id).offset(step - 1).limit(1)
        edge = (await connection.execute(end)).one_or_none()
        last = None if edge is None else (edge[0], edge[1])
        if last is None or len(found) == limit:
            break
    return found, last
