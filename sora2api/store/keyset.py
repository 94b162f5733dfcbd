"""Pages by time and id. A page is known by the entry before it, so it costs the same however far back it lies."""

from typing import Any

from sqlalchemy import Select, Table, tuple_


def behind(
    wanted: Select[Any],
    table: Table,
    last: tuple[float, str] | None,
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
