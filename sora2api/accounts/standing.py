"""How a proxy is, by what went through it and what did not."""

import time
from collections import deque
from typing import Final

FAILURES: Final = 3
"""So many in a row, with no success between them, quarantine a proxy."""
EVERY: Final = 60.0
AGAIN: Final = 1.0
LONGEST: Final = 300.0
_SMOOTHING: Final = 0.3
_KEPT: Final = 120


class Standing:
    """One proxy's: *latency* in seconds, *down* the code of the error that it is quarantined for, *due* its next probe.

    Times are seconds since the epoch, but for *due*, which the wall clock does not move. *probes* are the last ones,
    each with its time and what it took, None where it did not come through.
    """

    __slots__ = ("checked_at", "down", "down_at", "due", "failures", "latency", "probes")

    def __init__(self, *, latency: float | None = None, down: str | None = None, down_at: float | None = None) -> None:
        self.checked_at: float | None = None
        self.latency = latency
        self.down = down
        self.down_at = down_at
        self.failures = 0 if down is None else FAILURES
        self.due = 0.0
        self.probes: deque[tuple[float, float | None]] = deque(maxlen=_KEPT)

    def passed(self, latency: float) -> None:
        """A probe came through; this alone ends a quarantine."""
        before = latency if self.latency is None else self.latency
        self.latency = before + _SMOOTHING * (latency - before)
        self.checked_at = time.time()
        self.probes.append((self.checked_at, latency))
        self.failures = 0
        self.down = self.down_at = None
        self.due = time.monotonic() + EVERY

    def missed(self, code: str) -> None:
        """A probe did not come through."""
        self.checked_at = time.time()
        self.probes.append((self.checked_at, None))
        self._fail(code)
        self.due = time.monotonic() + min(LONGEST, AGAIN * 2 ** min(max(0, self.failures - FAILURES), 10))

    def blocked(self, code: str) -> None:
        """A call did not come through: a probe shall tell whether the next one would."""
        if self.down is None:
            self._fail(code)
            self.due = 0.0

    def is_due(self) -> bool:
        return time.monotonic() >= self.due

    def wait(self) -> float:
        """Seconds until it may be known to be well."""
        return max(AGAIN, self.due - time.monotonic())

    def _fail(self, code: str) -> None:
        self.failures += 1
        if self.failures >= FAILURES and self.down is None:
            self.down, self.down_at = code, time.time()
