"""The jobs: a live table to search, and a page for each that plays its result and tells how it came about."""

import time
from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec
from aiohttp import web

from sora2api.errors import (
    AccountUnavailable,
    BadRequest,
    DeadlineExceeded,
    EngineFault,
    ModeMissing,
    NetworkFault,
    PolicyRefusal,
    QueueTimeout,
    SubmitUnknown,
    TaskLost,
)
from sora2api.observe.history import timeline
from sora2api.web import charts, guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import decode
from sora2api.web.operations.job_shown import JobWhole
from sora2api.web.operations.jobs import JobId, JobsAsked, get_job, list_jobs
from sora2api.web.pages import shell
from sora2api.web.words import N_, gettext

_PAGE: Final = 20
_MOST_CHOICES: Final = 60
_CALLS: Final = 30
"""So many of the calls made for a job are shown, the last ones and all that failed among them."""
_STAGES: Final = (
    ("asked_at", "intended_at", N_("Waiting for an account"), "quiet"),
    ("intended_at", "submitted_at", N_("Submitting"), "busy"),
    ("submitted_at", "made_at", N_("Making"), "busy"),
    ("made_at", "ended_at", N_("Fetching and storing"), "good"),
)
"""A task's stages: from which moment to which, and how they are shown."""
_ADVICE: Final = {
    PolicyRefusal.code: N_("The same words are refused again: change them, or have another engine make it."),
    BadRequest.code: N_("Ask for what this engine makes: its words say what it does not take."),
    EngineFault.code: N_("See the engine's log, then run it again."),
    NetworkFault.code: N_("See whether the engine runs, then run it again."),
    TaskLost.code: N_("The engine has forgotten it: run it again."),
    SubmitUnknown.code: N_("See whether the engine makes it; if not, run it again."),
    QueueTimeout.code: N_("More accounts or slots shorten the queue; queue_timeout says how long a job may wait."),
    AccountUnavailable.code: N_("See what keeps that account from working, then run it again."),
    DeadlineExceeded.code: N_("Ask for less at once, or run it again when the engine is less busy."),
    ModeMissing.code: N_("Install its plugin again, then run it again."),
}
"""What can be done about a job that failed so."""


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/jobs", show, name="jobs"), web.get("/jobs/{id}", show_one, name="job")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    asked = decode(JobsAsked, {"limit": str(_PAGE), **request.query}, typed=False)
    office = desk.office
    return shell(
        request,
        "jobs.html",
        section="jobs",
        session=session,
        found=await list_jobs(desk, asked),
        counts=await office.browsing.counts(),
        asked_for=asked,
        narrowed=any((asked.search, asked.account, asked.mode, asked.within, asked.since, asked.until)),
        models=_choices([model.name for model in office.catalog.listed()]),
        keys=_choices([key.name for key in office.keys.list()]),
        accounts=_choices([account.name for account in office.accounts.all() if account.removed_at is None]),
        base=desk.base,
    )


def _choices(names: Collection[str]) -> list[tuple[str, str]] | None:
    """What can be chosen of a field; None: it is more than a list is good for."""
    return [(name, name) for name in sorted(set(names))] if len(names) <= _MOST_CHOICES else None


@signed_in
async def show_one(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    found = await get_job(desk, JobId(request.match_info["id"]))
    now = time.time()
    calls = found.history.calls
    return shell(
        request,
        "job.html",
        section="jobs",
        session=session,
        whole=found,
        job=found.job,
        now=now,
        advice=None if found.job.error is None else _ADVICE.get(found.job.error.code),
        line=charts.timeline(list(_spans(found)), now=now),
        moments=timeline(msgspec.structs.replace(found.history, calls=())),
        calls_made=[call for at, call in enumerate(calls) if call.code or at >= len(calls) - _CALLS],
        asked_for=_pretty(found.request if found.request is not None else found.history.job["request"]),
        replied=None if found.reply is None else _pretty(found.reply),
    )


def _spans(found: JobWhole) -> Iterator[charts.Span]:
    """The job's waits, tries and steps; a stage that has begun and not ended goes on, unless the task is over."""
    job, tasks = found.job, found.history.tasks
    several = len({task["step"] for task in tasks}) > 1 or len(tasks) > 1
    if not tasks:
        yield charts.Span(name=gettext("Waiting"), tone="quiet", start=job.created_at, end=job.completed_at)
    for task in tasks:
        name = f"{task['step']} {task['attempt']} · " if several else ""
        yield from _of_task(task, name)
    ended = [task["ended_at"] for task in tasks if task["ended_at"] is not None]
    if ended and len(ended) == len(tasks) and job.completed_at is not None:
        yield charts.Span(name=gettext("Finishing"), tone="good", start=max(ended), end=job.completed_at)


def _of_task(task: dict[str, Any], name: str) -> Iterator[charts.Span]:
    for begin, end, word, tone in _STAGES:
        start, stop = task[begin], task[end] or task["ended_at"]
        if start is None:
            continue
        failed = task["error"] is not None and (task[end] is None or end == "ended_at")
        where = f" · {task['account']}" if begin == "submitted_at" else ""
        yield charts.Span(name=f"{name}{gettext(word)}{where}", tone="bad" if failed else tone, start=start, end=stop)
        if stop is None or task[end] is None:
            return


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
