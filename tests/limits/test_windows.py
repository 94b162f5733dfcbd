"""Where days and months of UTC begin and end."""

from datetime import UTC, datetime

import pytest

from sora2api.api.limits import duration
from sora2api.jobs.windows import begins, day_of, ends


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("at", "day", "day_ends", "month_ends"),
    [
        ("2026-03-31T00:00:00", "2026-03-31", "2026-04-01", "2026-04-01"),
        ("2026-03-31T23:59:59.999", "2026-03-31", "2026-04-01", "2026-04-01"),
        ("2026-12-01T12:00:00", "2026-12-01", "2026-12-02", "2027-01-01"),
        ("2026-12-31T23:59:59", "2026-12-31", "2027-01-01", "2027-01-01"),
        ("2028-02-28T06:00:00", "2028-02-28", "2028-02-29", "2028-03-01"),
        ("2027-02-28T06:00:00", "2027-02-28", "2027-03-01", "2027-03-01"),
        ("2026-01-31T10:00:00", "2026-01-31", "2026-02-01", "2026-02-01"),
    ],
)
def test_an_instant_lies_in_one_day_and_one_month(at, day, day_ends, month_ends):
    assert day_of(instant(at)) == begins("day", instant(at)) == day
    assert begins("month", instant(at)) == day[:7]
    assert ends("day", instant(at)) == instant(day_ends)
    assert ends("month", instant(at)) == instant(month_ends)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (0.2, "1s"), (59.1, "1m0s"), (360, "6m0s"), (3600, "1h0m0s"), (86399, "23h59m59s"), (90061, "25h1m1s")],
)
def test_durations_are_said_as_openai_says_them(seconds, said):
    assert duration(seconds) == said
