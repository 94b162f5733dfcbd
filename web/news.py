"""What has changed lately, by topic, for open pages to look again at that alone."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

ALL: Final = "all"
"""What another process has changed may be anything."""


class News:
    """Counts the changes of each topic: "proxies" for all that an operation "proxies.…" does."""

    def __init__(self) -> None:
        self._changes: Counter[str] = Counter()

    def tell(self, topic: str) -> None:
        self._changes[topic] += 1

    async def look_again(self) -> None:
        """Another process has changed something, or this one what is not done by an operation."""
        self.tell(ALL)

    def now(self) -> Mapping[str, int]:
        return dict(self._changes)


def changed(before: Mapping[str, int], now: Mapping[str, int]) -> Collection[str]:
    """The topics that have changed between two looks."""
    return sorted(topic for topic, number in now.items() if before.get(topic, 0) != number)
