"""Who waits for a lease, and who of them is next: fair between API keys, in O(log n) of those who wait."""

import asyncio
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from typing import Any, Generic, TypeVar

from sora2api.accounts.book import Slot
from sora2api.accounts.ranked import Ranked

L = TypeVar("L")

Turn = tuple[int, int, float]
"""An owner's place in a line: slots held, when served last, when its first was admitted."""


class Waiter(Generic[L]):
    """Somebody who waits for a lease, with accounts to *avoid*."""

    __slots__ = ("admitted", "avoid", "lease", "owner", "task")

    def __init__(self, *, owner: str, task: str, admitted: float, avoid: frozenset[str]) -> None:
        self.owner = owner
        self.task = task
        self.admitted = admitted
        self.avoid = avoid
        self.lease: asyncio.Future[L] = asyncio.get_running_loop().create_future()


class Owners:
    """How much each API key holds, when each was served last, and where each waits."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._number = 0
        self.lines: defaultdict[str, set[Line[Any]]] = defaultdict(set)

    def standing(self, owner: str) -> tuple[int, int]:
        return self._held[owner], self._served.get(owner, 0)

    def served(self, owner: str) -> None:
        self._number += 1
        self._served[owner] = self._number

    def hold(self, owner: str, change: int) -> None:
        self._held[owner] += change
        for line in self.lines.get(owner, ()):
            line.reorder(owner)


class Line(Generic[L]):
    """Those who wait for the same: any account of a lane, or the account *whom*.

    Of each owner the one admitted first is its first.
    """

    def __init__(self, owners: Owners, whom: str | None) -> None:
        self.whom = whom
        self._owners = owners
        self._order: Ranked[str] = Ranked()
        self._queues: dict[str, Ranked[Waiter[L]]] = {}

    def add(self, waiter: Waiter[L]) -> None:
        self._queues.setdefault(waiter.owner, Ranked()).put(waiter, waiter.admitted)
        self._owners.lines[waiter.owner].add(self)
        self.reorder(waiter.owner)

    def drop(self, waiter: Waiter[L]) -> None:
        """It was served, or gave up."""
        queue = self._queues[waiter.owner]
        queue.drop(waiter)
        if queue:
            self.reorder(waiter.owner)
            return
        del self._queues[waiter.owner]
        self._order.drop(waiter.owner)
        self._owners.lines[waiter.owner].discard(self)
        if not self._owners.lines[waiter.owner]:
            del self._owners.lines[waiter.owner]

    def __bool__(self) -> bool:
        return bool(self._queues)

    def first(self) -> Waiter[L] | None:
        owner = self._order.first()
        return None if owner is None else self._queues[owner].first()

    def turn(self) -> Turn:
        """The place of the first, to be compared with other lines'."""
        turn: Turn = self._order.rank(self._order.first() or "")
        return turn

    def reorder(self, owner: str) -> None:
        first = self._queues[owner].first()
        if first is not None:
            self._order.put(owner, (*self._owners.standing(owner), first.admitted))


class Admissions:
    """When those who wait were admitted, by the kind of slot."""

    def __init__(self) -> None:
        self._times: dict[Slot, list[float]] = {"image": [], "video": []}

    def __len__(self) -> int:
        return sum(map(len, self._times.values()))

    def add(self, slot: Slot, admitted: float) -> None:
        insort(self._times[slot], admitted)

    def drop(self, slot: Slot, admitted: float) -> None:
        times = self._times[slot]
        del times[bisect_left(times, admitted)]

    def before(self, slot: Slot, admitted: float) -> int:
        return bisect_left(self._times[slot], admitted)
