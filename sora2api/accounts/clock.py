"""Tells when the wall clock was set, so that what waits for a moment waits as long as it should."""

import time
from typing import Final

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that nobody sets, and that goes on while the machine sleeps where there is such a one."""
_NOTICED: Final = 5.0
"""What is less is a clock that is kept right, in seconds."""


class WallClock:
    """Watched from its making on."""

    def __init__(self) -> None:
        self._ahead = _ahead()

    def moved(self) -> float:
        """By how many seconds it was set ahead since it was last asked; negative: back; 0: not to speak of."""
        ahead = _ahead()
        moved = ahead - self._ahead
        self._ahead = ahead
        return moved if abs(moved) >= _NOTICED else 0.0


def _ahead() -> float:
    return time.time() - time.clock_gettime(_STEADY)
