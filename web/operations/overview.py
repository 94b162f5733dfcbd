"""The server at a glance, and the one switch that stands on it: the pause of the intake."""

import asyncio
import shutil
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from sora2api import __version__
from sora2api.jobs.browsing import Filters
from sora2api.jobs.figures import Span
from sora2api.web.operation import Change, Desk, Nothing, Operation
from sora2api.web.operations.account_shown import AccountsAsked, AccountView, page
from sora2api.web.operations.job_shown import JobView, view
from sora2api.web.words import N_

_SHOWN: Final = 8


class SetAside(Struct, frozen=True):
    """A plugin that is not used, and why."""

    name: str
    distribution: str
    reason: str


class Overview(Struct, frozen=True, kw_only=True):
    """The server at a glance. Sizes are bytes; below *disk_reserve* no new job is taken, nor while it is *paused*.

    *waiting* and *making* count jobs, *queue* those that wait for a slot, of which *queue_limit* may. *now* are some
    of the jobs that are made, and *accounts* some of all that *conditions* counts, those that need somebody first.
    *hours* and *days* tell how jobs went: the last 24 hours and 30 days of UTC, the oldest first.
    """

    version: str
    paused: bool
    sandbox: bool
    waiting: int
    making: int
    queue: int
    queue_limit: int
    now: tuple[JobView, ...]
    conditions: Mapping[str, int]
    accounts: tuple[AccountView, ...]
    disk_free: int
    disk_total: int
    disk_reserve: int
    set_aside: tuple[SetAside, ...]
    hours: tuple[Span, ...]
    days: tuple[Span, ...]


class Intake(Struct, frozen=True):
    """Whether new jobs are refused."""

    paused: bool


async def get_overview(desk: Desk, _asked: Nothing) -> Overview:
    office = desk.office
    settings = office.settings()
    disk = await asyncio.to_thread(shutil.disk_usage, office.folder)
    counts = await office.browsing.counts()
    making = await office.browsing.page(Filters(state="making"), limit=_SHOWN)
    accounts = await page(desk, AccountsAsked(sort="state", limit=_SHOWN))
    return Overview(
        version=__version__,
        paused=office.jobs.paused,
        sandbox=office.pool.sandbox_in_use(),
        waiting=counts["waiting"],
        making=counts["making"],
        queue=office.pool.waiting(),
        queue_limit=settings.queue_limit,
        now=tuple(view(desk, job) for job in making.jobs),
        conditions=accounts.counts,
        accounts=accounts.accounts,
        disk_free=disk.free,
        disk_total=disk.total,
        disk_reserve=settings.disk_reserve,
        set_aside=_set_aside(desk),
        hours=tuple(await office.figures.last(24, hours=1)),
        days=tuple(await office.figures.last(30, hours=24)),
    )


async def pause(desk: Desk, _asked: Nothing) -> Change:
    return await _pause(desk, on=True)


async def resume(desk: Desk, _asked: Nothing) -> Change:
    return await _pause(desk, on=False)


async def _pause(desk: Desk, *, on: bool) -> Change:
    before = Intake(desk.office.jobs.paused)
    await desk.office.jobs.pause(on=on)
    after = Intake(desk.office.jobs.paused)
    return Change(subject="intake", value=after, before=before, after=after)


def _set_aside(desk: Desk) -> tuple[SetAside, ...]:
    unwanted = desk.office.settings().disabled_plugins
    return tuple(
        SetAside(plugin.name, plugin.distribution, plugin.reason or "")
        for plugin in desk.office.registry.plugins
        if plugin.status == "set_aside" and plugin.name not in unwanted
    )


TABLE = (
    Operation(
        name="overview.get",
        method="GET",
        path="/overview",
        summary="Show the server at a glance",
        does=get_overview,
        gives=Overview,
    ),
    Operation(
        name="intake.pause",
        method="POST",
        path="/intake/pause",
        summary="Take no new jobs; those that there are go on, and it holds over restarts",
        does=pause,
        gives=Intake,
        role="operator",
        done=N_("New jobs are refused from now on."),
        undo="intake.resume",
    ),
    Operation(
        name="intake.resume",
        method="POST",
        path="/intake/resume",
        summary="Take new jobs again",
        does=resume,
        gives=Intake,
        role="operator",
        done=N_("New jobs are taken again."),
        undo="intake.pause",
    ),
)
