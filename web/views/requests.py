"""The log of requests: a table to search, and a page for each with its stages, calls and bodies."""

import re
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from aiohttp import web

from sora2api.auth.first_start import DEFAULT_KEY
from sora2api.observe.reader import LoggedRequest
from sora2api.web import api, charts, guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Desk, decode
from sora2api.web.operations.requests import RequestFilters, RequestId, RequestsAsked, get_request, list_requests
from sora2api.web.pages import shell
from sora2api.web.words import N_, gettext

_ID: Final = re.compile("req_[0-9a-f]{24}")
"""A request's id that is searched for leads to its page."""
_STAGES: Final = (
    ("queued", N_("Taken"), "good"),
    ("submitted", N_("Waiting for an account"), "warn"),
    ("progressed", N_("Waiting at the engine"), "warn"),
    ("made", N_("Making"), "busy"),
    ("stored", N_("Fetching and storing"), "good"),
)
"""A request's stages: each lasts from the end of the one before to the moment of that name."""
_STATUSES: Final = (200, 400, 401, 403, 404, 409, 429, 500, 503)
_PAGE: Final = 30
_MOST_KEYS: Final = 100
"""So many keys are listed to choose from; of more, one is named."""
_AT_HAND: Final = {"text", "status", "key", "since"}
"""The filters that are in sight, or have tabs."""


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/requests", show, name="requests"),
        web.get("/requests/{id}", show_one, name="request"),
    ]


@signed_in
async def show(request: web.Request) -> web.Response:
    if _ID.fullmatch(wanted := request.query.get("text", "").strip()):
        raise web.HTTPSeeOther(request.app.router["request"].url_for(id=wanted))
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    found = await list_requests(desk, decode(RequestsAsked, {"limit": str(_PAGE), **request.query}, typed=False))
    asked = {name: request.query[name] for name in RequestFilters.__struct_fields__ if request.query.get(name)}
    export = request.app.router["requests"].url_for().with_path(f"/admin{api.ROOT}/requests/export").with_query(asked)
    return shell(
        request,
        "requests.html",
        section="requests",
        session=session,
        requests=found.requests,
        older=found.next,
        names=_names(desk),
        most=_MOST_KEYS,
        filtered=asked,
        export=export,
        logged=desk.office.settings().log_requests,
        modes=[(mode, mode) for mode in sorted(desk.office.registry.modes)],
        statuses=[(str(status), str(status)) for status in sorted({*_STATUSES, *_asked_status(asked)})],
        more=not asked.keys() <= _AT_HAND,
        followed=asked.keys() <= {"since"},
    )


@signed_in
async def show_one(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    whole = await get_request(desk, RequestId(request.match_info["id"]))
    return shell(
        request,
        "request.html",
        section="requests",
        session=session,
        whole=whole,
        entry=whole.entry,
        names=_names(desk),
        stages=charts.timeline(list(_spans(whole.entry)), now=time.time()),
        bodies=[(word, _pretty(body)) for word, body in _bodies(whole.request, whole.reply) if body is not None],
        prompts=desk.office.settings().log_prompts,
    )


def _asked_status(asked: dict[str, str]) -> tuple[int, ...]:
    return (int(asked["status"]),) if "status" in asked else ()


def _names(desk: Desk) -> dict[str, str]:
    return {DEFAULT_KEY.id: DEFAULT_KEY.name} | {key.id: key.name for key in desk.office.keys.list()}


def _bodies(request: Any, reply: Any) -> tuple[tuple[str, Any], ...]:
    return (gettext("Request"), request), (gettext("Reply"), reply)


def _pretty(body: Any) -> str:
    """A body as it is read best: text as it is, else JSON with its lines indented."""
    return body if isinstance(body, str) else msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def _spans(entry: LoggedRequest) -> Iterator[charts.Span]:
    """The stages that are known, and the reply beside them; all on the axis of time."""
    begin = entry.at
    for name, word, tone in _STAGES:
        after = getattr(entry, name)
        if after is not None:
            yield charts.Span(name=gettext(word), tone=tone, start=begin, end=entry.at + after)
            begin = entry.at + after
    if entry.replied is not None:
        word = gettext("Until the whole reply")
        yield charts.Span(name=word, tone="quiet", start=entry.at, end=entry.at + entry.replied)
