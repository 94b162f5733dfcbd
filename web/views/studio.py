"""The studio: one field for what shall be made, what is being made of it, and what was made before."""

from aiohttp import web

from sora2api.errors import InvalidValue, NotFound
from sora2api.modes import SHARE_ID, STYLES
from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Desk
from sora2api.web.operations.studio import (
    Choices,
    HistoryAsked,
    OfKey,
    get_choices,
    list_characters,
    list_made,
)
from sora2api.web.operations.studio_shown import Made, StudioHistory, made
from sora2api.web.pages import shell

_FIRST = "sora-2"
"""The model that is chosen where none is asked for."""
_MOST_KEYS = 100
"""So many keys are listed to choose from; another is named in the address."""


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/studio", show, name="studio")]


@signed_in
async def show(request: web.Request) -> web.Response:
    """The query's *remix* and *job* are ids of jobs: the one to change, and the one to show; *key* that of a key."""
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    source = await _job(desk, request.query.get("remix", ""))
    choices, key = await _choices(desk, request.query.get("key") or (source.key if source else None))
    return shell(
        request,
        "studio.html",
        section="studio",
        session=session,
        choices=choices,
        keys=[each for number, each in enumerate(choices.keys) if number < _MOST_KEYS or each.id == key],
        key=key,
        model=_chosen(choices, request.query.get("model") or (source.model if source else _FIRST)),
        source=source,
        remixed=None if source is None else _named(source, key),
        shown=await _job(desk, request.query.get("job", "")),
        cast=(await list_characters(desk, OfKey(key))).characters if key else (),
        history=await _history(desk, key, request.query.get("after")),
        styles=sorted(STYLES),
    )


async def _job(desk: Desk, wanted: str) -> Made | None:
    """A job by its id or share id; None where there is none (any more)."""
    if not wanted:
        return None
    jobs = desk.office.jobs
    try:
        return await made(desk, await (jobs.shared(wanted) if SHARE_ID.fullmatch(wanted) else jobs.get(wanted)))
    except NotFound:
        return None


async def _choices(desk: Desk, wanted: str | None) -> tuple[Choices, str | None]:
    """What can be chosen with the key that is *wanted*, else with the first one, and which key that is."""
    try:
        choices = await get_choices(desk, OfKey(wanted))
    except InvalidValue:
        wanted, choices = None, await get_choices(desk, OfKey())
    return choices, wanted or next((key.id for key in choices.keys), None)


async def _history(desk: Desk, key: str | None, after: str | None) -> StudioHistory:
    """What was made for a *key*; behind a job that is there no more it begins anew."""
    try:
        return await list_made(desk, HistoryAsked(key=key, after=after))
    except NotFound:
        return await list_made(desk, HistoryAsked(key=key))


def _chosen(choices: Choices, wanted: str) -> str:
    names = [model.name for model in choices.models]
    return wanted if wanted in names or not names else names[0]


def _named(source: Made, key: str | None) -> str:
    """By what the key can name a video: its own by the id, that of others by the share id."""
    share = "" if source.share is None else source.share.rpartition("/")[2]
    return source.id if source.key == key or not share else share
