"""What each key's jobs have made and are making, in memory: what limits are checked against."""

import time
from collections.abc import Iterator
from typing import Final

from sora2api.jobs.records import JobRecord
from sora2api.jobs.usage import UsageBook, Use, asked, made
from sora2api.jobs.windows import Window, begins, day_of

_DAYS_KEPT: Final = 62
_NOTHING: Final = Use()


class Tally:
    """Counts for all keys, those without limits too, which may get some any time."""

    def __init__(self, usage: UsageBook) -> None:
        self._usage = usage
        self._made: dict[str, dict[str, Use]] = {}
        """By key and day."""
        self._held: dict[str, dict[str, Use]] = {}
        """By key and job that is not over."""
        self._making: dict[str, Use] = {}
        """What a key's held jobs come to."""

    async def load(self) -> None:
        """Take up what was counted of the last days; hold the unfinished jobs besides."""
        since = day_of(time.time() - (_DAYS_KEPT - 1) * 86400)
        for key_id, day, use in await self._usage.by_key_and_day(since=since):
            self._made.setdefault(key_id, {})[day] = use

    def hold(self, job: JobRecord) -> None:
        """Count what a job will make until it is over, but for a trial; doing so again changes nothing."""
        if job.sandbox:
            return
        held = self._held.setdefault(job.owner, {})
        if job.id not in held:
            held[job.id] = asked(job)
            self._making[job.owner] = self._making.get(job.owner, _NOTHING) + held[job.id]

    def release(self, job: JobRecord) -> None:
        """Count a job no more that will make nothing; doing so again changes nothing."""
        held = self._held.get(job.owner, {})
        if job.id not in held:
            return
        self._making[job.owner] -= held.pop(job.id)
        if not held:
            del self._held[job.owner], self._making[job.owner]

    def end(self, job: JobRecord, *, at: float) -> None:
        """Count what a job has made that ended *at*, in place of what it would make."""
        self.release(job)
        use = made(job)
        if use.jobs:
            days = self._made.setdefault(job.owner, {})
            days[day_of(at)] = days.get(day_of(at), _NOTHING) + use
            while len(days) > _DAYS_KEPT:
                del days[min(days)]

    def in_flight(self, key_id: str) -> int:
        return len(self._held.get(key_id, ()))

    def taken(self, key_id: str, window: Window, *, at: float) -> Use:
        """What a key's jobs have made in the *window* around an instant, and what those under way will make."""
        return sum(self._within(key_id, window, at), self._making.get(key_id, _NOTHING))

    def made(self, key_id: str, window: Window, *, at: float) -> Use:
        """What a key's jobs have made in the *window* around an instant, but for the bytes."""
        return sum(self._within(key_id, window, at), _NOTHING)

    def _within(self, key_id: str, window: Window, at: float) -> Iterator[Use]:
        beginning = begins(window, at)
        return (use for day, use in self._made.get(key_id, {}).items() if day.startswith(beginning))
