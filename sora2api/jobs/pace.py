"""How long jobs take: what those of the same model and kind took lately, in memory alone."""

from collections import deque
from statistics import median
from typing import Final

from sora2api.jobs.records import JobRecord

_RECENT: Final = 20
_KINDS: Final = 500
"""Of so many models something is remembered; the one noted longest ago goes first."""


class Pace:
    """Remembers the last completed jobs."""

    def __init__(self) -> None:
        self._took: dict[tuple[str, str], deque[float]] = {}

    def note(self, job: JobRecord) -> None:
        """A job is over; only of those that were completed, and no trials, it counts how long they took."""
        if job.sandbox or job.status != "completed" or job.completed_at is None:
            return
        took = self._took.pop((job.model, job.kind), None) or deque(maxlen=_RECENT)
        took.append(job.completed_at - job.created_at)
        self._took[job.model, job.kind] = took
        if len(self._took) > _KINDS:
            del self._took[next(iter(self._took))]

    def usual(self, job: JobRecord) -> float | None:
        """The seconds that jobs alike take from request to end (their median); None while that is not known."""
        took = self._took.get((job.model, job.kind))
        return None if took is None else median(took)
