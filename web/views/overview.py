"""The overview: one line that says whether all is well, what is made now, and how it went lately."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from aiohttp import web
from msgspec import Struct

from sora2api.auth.first_start import DEFAULT_SECRET, FILE
from sora2api.jobs.figures import Span
from sora2api.web import guard
from sora2api.web.charts import Chart, Series, bars, lines
from sora2api.web.guard import CALLER, signed_in
from sora2api.web.keys import FIRST_START
from sora2api.web.operation import Nothing
from sora2api.web.operations.overview import Overview, get_overview
from sora2api.web.pages import shell, size
from sora2api.web.words import gettext, ngettext

Tone = Literal["good", "warn", "bad"]

_MILLION: Final = 1_000_000
_SERIES: Final = 4
"""More kinds than that are not told apart at a glance."""


class StatusLine(Struct, frozen=True):
    """How the server is, in a sentence; the worst trouble decides the tone."""

    tone: Tone
    headline: str


class Sums(Struct, frozen=True, kw_only=True):
    """What the jobs of some spans came to: how many, how many of them failed, and costs by model in the currency."""

    jobs: int
    failed: int
    cost: Sequence[tuple[str, float]]


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/", show, name="overview")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    overview = await get_overview(desk, Nothing())
    month = request.query.get("span") == "month"
    spans = overview.days if month else overview.hours
    holds = request.config_dict[FIRST_START].default_key_holds(request[CALLER])
    return shell(
        request,
        "overview.html",
        section="overview",
        session=session,
        overview=overview,
        line=status_line(overview),
        charts=charts(spans, "%d %b" if month else "%H:%M"),
        sums=sums(spans),
        now=time.time(),
        base=desk.base,
        default_key=DEFAULT_SECRET if holds else None,
        file=FILE,
    )


def status_line(overview: Overview) -> StatusLine:
    """The worst first: what keeps jobs from being taken, then what needs somebody."""
    if overview.disk_free < overview.disk_reserve:
        free = size(overview.disk_free)
        return StatusLine("bad", gettext("The disk is nearly full, %(free)s free: no new jobs.") % {"free": free})
    if not overview.conditions.get("ready"):
        return StatusLine("bad", gettext("No account can take a job."))
    if overview.queue >= overview.queue_limit:
        return StatusLine("bad", gettext("The queue is full: no new jobs."))
    if overview.paused:
        return StatusLine("warn", gettext("New jobs are refused: the intake is paused."))
    ill = overview.conditions.get("ill", 0)
    if ill:
        said = ngettext("%(num)s account needs you.", "%(num)s accounts need you.", ill)
        return StatusLine("warn", said % {"num": ill})
    aside = len(overview.set_aside)
    if aside:
        said = ngettext("%(num)s plugin is set aside.", "%(num)s plugins are set aside.", aside)
        return StatusLine("warn", said % {"num": aside})
    return StatusLine("good", gettext("All is well."))


def sums(spans: Sequence[Span]) -> Sums:
    cost = _totals([span.cost for span in spans])
    return Sums(
        jobs=sum(sum(span.modes.values()) for span in spans),
        failed=sum(sum(span.failures.values()) for span in spans),
        cost=[(name, amount / _MILLION) for name, amount in cost.most_common()],
    )


def charts(spans: Sequence[Span], form: str) -> Sequence[Chart]:
    labels = [datetime.fromtimestamp(span.begins, UTC).strftime(form) for span in spans]
    half, most = gettext("half within"), gettext("95 of 100 within")
    return (
        bars(gettext("Jobs by mode"), labels, _series([span.modes for span in spans])),
        bars(gettext("Not completed, by code"), labels, _series([span.failures for span in spans])),
        lines(
            gettext("Waiting time"),
            labels,
            (
                Series(half, [span.waiting.p50 for span in spans]),
                Series(most, [span.waiting.p95 for span in spans]),
            ),
            unit=gettext("s"),
        ),
        lines(
            gettext("Making time"),
            labels,
            (
                Series(half, [span.making.p50 for span in spans]),
                Series(most, [span.making.p95 for span in spans]),
            ),
            unit=gettext("s"),
        ),
        bars(
            gettext("Seconds of video by model"),
            labels,
            _series([span.seconds for span in spans]),
            unit=gettext("s"),
        ),
    )


def _series(counted: Sequence[Mapping[str, float]]) -> Sequence[Series]:
    """A series for each of the names that there is most of, and one for all others."""
    names = [name for name, _ in _totals(counted).most_common()]
    shown = names if len(names) <= _SERIES else names[: _SERIES - 1]
    series = [Series(name, [each.get(name, 0) for each in counted]) for name in shown]
    if len(shown) < len(names):
        others = [sum(value for name, value in each.items() if name not in shown) for each in counted]
        series.append(Series(gettext("others"), others))
    return series


def _totals(counted: Sequence[Mapping[str, float]]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for each in counted:
        totals.update(each)
    return totals
