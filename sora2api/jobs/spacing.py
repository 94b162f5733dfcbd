"""When engines are polled: young tasks often, old ones less, a little off the beat, and never more than is allowed."""

import random
import time
from typing import Final

SHORTEST: Final = 0.2
"""Seconds between two polls of a task that was begun just now."""
_OF_ITS_AGE: Final = 0.08
_OFF_THE_BEAT: Final = 0.15
_CALLS_A_MINUTE: Final = 600
"""Polls of an account that says nothing of it."""


def interval(age: float, *, longest: float) -> float:
    """How long to wait between two polls of a task of that *age*, in seconds."""
    return min(longest, max(SHORTEST, age * _OF_ITS_AGE))


def off_the_beat() -> float:
    """A factor for an interval, so that what began together does not stay so."""
    return random.uniform(1 - _OFF_THE_BEAT, 1)  # noqa: S311


class Allowance:
    """The calls that an account may make, spread evenly: who has made some has to wait for as long as they count."""

    def __init__(self) -> None:
        self._next = 0.0

    def spend(self, calls: int, *, calls_a_minute: int | None) -> None:
        self.rest(0.0)
        self._next += calls * 60.0 / (calls_a_minute or _CALLS_A_MINUTE)

    def rest(self, seconds: float) -> None:
        """Have no call made for that long, whatever was allowed."""
        self._next = max(self._next, time.monotonic() + seconds)

    def wait(self) -> float:
        """Seconds until the next call may be made."""
        return max(0.0, self._next - time.monotonic())
