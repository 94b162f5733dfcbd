"""Days and months of UTC, in which use is counted."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

Window = Literal["day", "month"]

WINDOWS: Final[tuple[Window, ...]] = ("day", "month")
_PREFIX: Final[dict[Window, int]] = {"day": 10, "month": 7}


def day_of(at: float) -> str:
    """The day of an instant, as in 2026-03-31."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def begins(window: Window, at: float) -> str:
    """What the days of the *window* around an instant begin with: 2026-03-31 or 2026-03."""
    return day_of(at)[: _PREFIX[window]]


def ends(window: Window, at: float) -> float:
    """When the *window* around an instant is over."""
    midnight = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return (midnight + timedelta(days=1)).timestamp()
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp()
