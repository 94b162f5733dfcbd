"""The geometry of charts and timelines, in per mille of their box; pieces.html draws them."""

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

WIDE: Final = 1000
HIGH: Final = 100
HUES: Final = ("first", "second", "third", "fourth", "fifth")
"""The classes of a chart's series, in this order."""
_GAP: Final = 0.22
_DASH: Final = 12
_STEPS: Final = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


class Series(Struct, frozen=True):
    """What is counted under one name: a value for each of the chart's labels; None where nothing is known."""

    name: str
    values: Sequence[float | None]


class Shape(Struct, frozen=True):
    """A series as drawn: the `d` of an SVG path."""

    name: str
    hue: str
    path: str


class Chart(Struct, frozen=True, kw_only=True):
    """A chart in a box of `WIDE` by `HIGH`. *top* is the value at its upper edge, *unit* what is said behind values."""

    title: str
    unit: str
    labels: Sequence[str]
    series: Sequence[Series]
    shapes: Sequence[Shape]
    top: float
    lines: bool


class Span(Struct, frozen=True, kw_only=True):
    """Something that took from *start* until *end* (epoch seconds; None: it still goes on)."""

    name: str
    tone: str
    start: float
    end: float | None


class Bar(Struct, frozen=True):
    """A span on the common axis: where it begins and how wide it is, of `WIDE`."""

    name: str
    tone: str
    x: float
    width: float
    seconds: float
    open: bool


class Timeline(Struct, frozen=True):
    """Spans on one axis that is *seconds* long."""

    bars: Sequence[Bar]
    seconds: float


def bars(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "") -> Chart:
    """Values upon one another: how much there was of each."""
    floors = [0.0] * len(labels)
    top = nice(max((sum(each.values[at] or 0 for each in series) for at in range(len(labels))), default=0))
    shapes = []
    for each, hue in zip(series, _hues(series), strict=True):
        shapes.append(Shape(each.name, hue, _columns(each.values, floors, top)))
        floors = [floor + (value or 0) for floor, value in zip(floors, each.values, strict=True)]
    return Chart(title=title, unit=unit, labels=labels, series=series, shapes=shapes, top=top, lines=False)


def lines(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "") -> Chart:
    """Values beside one another: how each went."""
    top = nice(max((value for each in series for value in each.values if value is not None), default=0))
    shapes = [Shape(each.name, hue, _line(each.values, top)) for each, hue in zip(series, _hues(series), strict=True)]
    return Chart(title=title, unit=unit, labels=labels, series=series, shapes=shapes, top=top, lines=True)


def sparkline(values: Sequence[float | None]) -> str:
    """A line as small as a word, as the `d` of an SVG path."""
    return _line(values, max((value for value in values if value is not None), default=0) or 1)


def timeline(spans: Sequence[Span], *, now: float) -> Timeline:
    """The *spans* in the order given. One that is too short to see is still a sliver."""
    if not spans:
        return Timeline((), 0)
    begin = min(span.start for span in spans)
    whole = max(max(span.end or now for span in spans) - begin, 0.001)
    return Timeline([_bar(span, begin, whole, now) for span in spans], whole)


def nice(value: float) -> float:
    """The next round figure that is not below."""
    if value <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * 0.999999)


def _bar(span: Span, begin: float, whole: float, now: float) -> Bar:
    seconds = max((span.end or now) - span.start, 0)
    width = max(seconds / whole * WIDE, 4)
    x = min((span.start - begin) / whole * WIDE, WIDE - width)
    return Bar(span.name, span.tone, round(x, 1), round(width, 1), seconds, open=span.end is None)


def _hues(series: Sequence[Series]) -> list[str]:
    return [HUES[min(at, len(HUES) - 1)] for at in range(len(series))]


def _columns(values: Sequence[float | None], floors: Sequence[float], top: float) -> str:
    step = WIDE / max(len(values), 1)
    drawn = []
    for at, (value, floor) in enumerate(zip(values, floors, strict=True)):
        if value:
            x, width = (at + _GAP / 2) * step, (1 - _GAP) * step
            y, height = HIGH * (1 - floor / top), HIGH * value / top
            drawn.append(f"M{x:.0f} {y:.1f}v{-height:.1f}h{width:.0f}v{height:.1f}z")
    return "".join(drawn)


def _line(values: Sequence[float | None], top: float) -> str:
    """Where nothing is known the line has a gap; a value with gaps around it is a dash."""
    step = WIDE / max(len(values) - 1, 1)
    drawn, before = [], None
    for at, value in enumerate(values):
        if value is not None:
            x, y = at * step, HIGH * (1 - value / top)
            if before is None and (at + 1 == len(values) or values[at + 1] is None):
                drawn.append(f"M{min(x, WIDE - _DASH):.0f} {y:.1f}h{_DASH}")
            else:
                drawn.append(f"{'M' if before is None else 'L'}{x:.0f} {y:.1f}")
        before = value
    return "".join(drawn)
