"""Things in the order of a rank that may change: to look at the first, and to change one, costs O(log n)."""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Any, Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SLACK: Final = 64


class Ranked(Generic[K]):
    """A heap whose outdated entries are left where they are until they come up, or are too many.

    Ranks are compared among each other; of equal ones, what was ranked earlier goes first.
    """

    __slots__ = ("_heap", "_in_force", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[Any, int, K]] = []
        self._in_force: dict[K, tuple[Any, int]] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._in_force)

    def __contains__(self, thing: object) -> bool:
        return thing in self._in_force

    def put(self, thing: K, rank: Any) -> None:
        """Rank a thing, or rank it anew."""
        known = self._in_force.get(thing)
        if known is not None and known[0] == rank:
            return
        self._number += 1
        self._in_force[thing] = (rank, self._number)
        heappush(self._heap, (rank, self._number, thing))
        if len(self._heap) > 2 * len(self._in_force) + _SLACK:
            self._heap = [(*ranked, thing) for thing, ranked in self._in_force.items()]
            heapify(self._heap)

    def drop(self, thing: K) -> None:
        self._in_force.pop(thing, None)

    def rank(self, thing: K) -> Any:
        return self._in_force[thing][0]

    def first(self, *, beside: frozenset[K] = frozenset()) -> K | None:
        """The first of all *beside* some; None: there is none."""
        passed: list[tuple[Any, int, K]] = []
        found = None
        while self._heap:
            rank, number, thing = self._heap[0]
            if self._in_force.get(thing) != (rank, number):
                heappop(self._heap)
            elif thing in beside:
                passed.append(heappop(self._heap))
            else:
                found = thing
                break
        for entry in passed:
            heappush(self._heap, entry)
        return found
