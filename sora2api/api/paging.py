"""Pages of a list: what a request asks for, and the reply (wire format: OpenAI's cursor pages)."""

from typing import Any

from aiohttp import web
from msgspec import Struct

from sora2api.api.replies import reply
from sora2api.errors import InvalidValue


class Page(Struct, frozen=True):
    """At most *limit* things behind the one with the id *after*."""

    after: str | None
    limit: int
    ascending: bool


def page(request: web.Request, *, default: int, largest: int, least: int = 0) -> Page:
    limit = request.query.get("limit", str(default))
    if not limit.isdecimal() or not least <= int(limit) <= largest:
        raise InvalidValue(f"`limit` is a number from {least} to {largest}.", param="limit")
    order = request.query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidValue("`order` is `asc` or `desc`.", param="order")
    return Page(request.query.get("after"), int(limit), order == "asc")


def listed(data: list[dict[str, Any]], *, more: bool) -> web.Response:
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return reply({"object": "list", "data": data, **ends, "has_more": more})
