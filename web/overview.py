"""The overview: one line that says whether all is well, and what it rests on."""

import time
from typing import Final, Literal

from aiohttp import web
from msgspec import Struct

from sora2api.auth.address import public_base
from sora2api.auth.first_start import DEFAULT_SECRET, FILE
from sora2api.web.guard import CALLER, session, signed_in
from sora2api.web.keys import FIRST_START, OVERVIEW, SETTINGS, Overview
from sora2api.web.pages import shell, size

Tone = Literal["good", "warn", "bad"]

_STATUSES: Final = (
    ("in_progress", "making", "busy"),
    ("queued", "waiting", "wait"),
    ("completed", "done", "good"),
    ("failed", "failed", "bad"),
    ("cancelled", "cancelled", "quiet"),
)


class StatusLine(Struct, frozen=True):
    """How the server is, in a sentence; the worst trouble decides the tone."""

    tone: Tone
    headline: str
    detail: str


def status_line(overview: Overview) -> StatusLine:
    ill = sum(account.state == "ill" for account in overview.accounts)
    working = sum(account.state == "ready" for account in overview.accounts)
    making, waiting = (overview.jobs.get(status, 0) for status in ("in_progress", "queued"))
    detail = f"{making} making, {waiting} waiting, {ill} ill."
    if overview.disk_free < overview.disk_reserve:
        return StatusLine("bad", f"The disk is nearly full ({size(overview.disk_free)} free): no new jobs.", detail)
    if not working:
        return StatusLine("bad", "No account can take a job.", detail)
    if ill:
        return StatusLine("warn", f"Accounts that need you: {ill} of {len(overview.accounts)}.", detail)
    if overview.set_aside:
        return StatusLine("warn", f"Plugins set aside: {len(overview.set_aside)}.", detail)
    return StatusLine("good", "All is well.", detail)


@signed_in
async def show(request: web.Request) -> web.Response:
    overview = await request.config_dict[OVERVIEW].overview()
    settings = request.config_dict[SETTINGS]()
    holds = request.config_dict[FIRST_START].default_key_holds(request[CALLER])
    return shell(
        request,
        "overview.html",
        section="overview",
        session=session(request),
        overview=overview,
        line=status_line(overview),
        counts=[(label, tone, overview.jobs.get(status, 0)) for status, label, tone in _STATUSES],
        now=time.time(),
        base=public_base(request[CALLER], settings.public_url),
        default_key=DEFAULT_SECRET if holds else None,
        file=FILE,
    )
