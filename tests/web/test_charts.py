"""The geometry of charts: what is drawn stands where its value says."""

import re

import pytest

from sora2api.web import charts
from sora2api.web.charts import HIGH, WIDE, Series, Span


@pytest.mark.parametrize(
    ("value", "round_one"), [(0, 1), (0.3, 0.3), (1, 1), (1.2, 1.5), (7, 8), (10, 10), (34, 40), (999, 1000)]
)
def test_the_axis_ends_at_a_round_figure_just_above(value, round_one):
    assert charts.nice(value) == pytest.approx(round_one)


def test_bars_stand_upon_one_another():
    drawn = charts.bars("Jobs", ["a", "b"], [Series("image", [4, 0]), Series("video", [6, 10])])
    image, video = (re.findall(r"M\d+ ([\d.]+)v(-?[\d.]+)", shape.path) for shape in drawn.shapes)

    assert drawn.top == 10
    assert image == [("100.0", "-40.0")]
    assert video == [("60.0", "-60.0"), ("100.0", "-100.0")]


def test_a_line_has_a_gap_where_nothing_is_known_and_a_lonely_value_is_a_dash():
    drawn = charts.lines("Waiting", ["a", "b", "c"], [Series("p50", [2, None, 1])])

    assert drawn.shapes[0].path == f"M0 0.0h12M{WIDE - 12} {HIGH / 2}h12"


def test_a_chart_of_nothing_is_empty():
    assert charts.bars("Jobs", [], []).shapes == []
    assert charts.sparkline([]) == ""


def test_a_timeline_fills_its_axis_and_shows_even_the_shortest_span():
    wait = Span(name="wait", tone="quiet", start=100, end=150)
    blink = Span(name="submit", tone="busy", start=199.99, end=200)
    making = Span(name="making", tone="good", start=150, end=None)
    drawn = charts.timeline([wait, blink, making], now=200)
    bars = {bar.name: bar for bar in drawn.bars}

    assert drawn.seconds == 100
    assert (bars["wait"].x, bars["wait"].width) == (0, 500)
    assert bars["submit"].width >= 4
    assert all(bar.x + bar.width <= WIDE for bar in drawn.bars)
    assert bars["making"].open
    assert bars["making"].seconds == 50
