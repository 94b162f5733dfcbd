"""A job's events as they happen: milestones in order, and of what passes only the latest."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from hashlib import sha256

from sora2api.jobs.inbox import Bell
from sora2api.jobs.ledger import Numbered
from sora2api.jobs.records import encode
from sora2api.modes import Ended, Event, Progress, Waiting

Passing = Progress | Waiting


class Feed:
    """The events of one live job. Milestones are written down before they are published here."""

    def __init__(self, recorded: Sequence[Numbered]) -> None:
        self.last = recorded[-1].number if recorded else 0
        self.closed = False
        self._passing: dict[type[Event], Numbered] = {}
        self._readers: set[_Reader] = set()
        self._recorded = Counter(_identity(numbered.event) for numbered in recorded)
        self._replayed: Counter[bytes] = Counter()

    def again(self, event: Event) -> bool:
        """Whether a mode, run anew after a restart, only repeats what is recorded already."""
        identity = _identity(event)
        self._replayed[identity] += 1
        return self._replayed[identity] <= self._recorded[identity]

    def number(self, event: Event) -> Numbered:
        """The event as the next milestone, to be written down and then published."""
        self.last += 1
        return Numbered(number=self.last, at=time.time(), event=event)

    def publish(self, milestone: Numbered) -> None:
        self._passing.pop(Waiting, None)
        for reader in self._readers:
            reader.milestones.append(milestone)
            reader.news.ring()

    def pass_on(self, event: Passing) -> None:
        """Tell the readers of something that is not kept."""
        self._passing[type(event)] = Numbered(number=self.last, at=time.time(), event=event)
        for reader in self._readers:
            reader.news.ring()

    def close(self) -> None:
        """Send the readers home; the job itself goes on."""
        self.closed = True
        for reader in self._readers:
            reader.news.ring()

    def join(self) -> "_Reader":
        reader = _Reader(self)
        self._readers.add(reader)
        return reader

    def leave(self, reader: "_Reader") -> None:
        self._readers.discard(reader)

    def passing(self) -> Sequence[Numbered]:
        return tuple(self._passing.values())


class _Reader:
    """One who follows a feed."""

    __slots__ = ("_feed", "_seen", "milestones", "news")

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._seen: dict[type[Event], Event] = {}
        self.milestones: list[Numbered] = []
        self.news = Bell()
        self.news.ring()

    async def events(self, *, after: int) -> AsyncGenerator[Numbered, None]:
        """What comes, without the milestones up to *after*, until the job's end or the feed's.

        What passes has the number of the last milestone that was told here, so that it can be gone on from.
        """
        while not self._feed.closed:
            await self.news.heard()
            while self.milestones:
                milestone = self.milestones.pop(0)
                if milestone.number > after:
                    after = milestone.number
                    yield milestone
                if isinstance(milestone.event, Ended):
                    return
            for passing in self._feed.passing():
                if self._seen.get(type(passing.event)) != passing.event:
                    self._seen[type(passing.event)] = passing.event
                    yield Numbered(number=after, at=passing.at, event=passing.event)


def _identity(event: Event) -> bytes:
    return sha256(encode(event)).digest()
