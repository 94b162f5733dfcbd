"""Which of several free accounts is next: tiers by priority, and within a tier one of four strategies."""

import random
from collections.abc import Callable
from typing import Final, Protocol

from sora2api.accounts.ranked import Ranked

Rank = tuple[float, float]


class Seat:
    """An account's slots of one kind. *held* says whose each is, by task."""

    __slots__ = ("account_id", "held", "last_use", "slots", "weight")

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.slots = 0
        self.weight = 1.0
        self.held: dict[str, str] = {}
        self.last_use = 0

    @property
    def free(self) -> bool:
        return len(self.held) < self.slots


class Strategy(Protocol):
    """The order of one tier's accounts; the lowest rank is next."""

    def rank(self, seat: Seat, *, entering: bool) -> Rank:
        """*entering*: it was not to be had before."""
        ...

    def took(self, seat: Seat) -> None:
        """It was chosen."""
        ...


class LeastBusy:
    """The one with the smallest part of its slots in use, of those the one used longest ago."""

    def rank(self, seat: Seat, *, entering: bool) -> Rank:
        return len(seat.held) / max(1, seat.slots), seat.last_use

    def took(self, seat: Seat) -> None:
        pass


class RoundRobin:
    """The one used longest ago."""

    def rank(self, seat: Seat, *, entering: bool) -> Rank:
        return seat.last_use, 0.0

    def took(self, seat: Seat) -> None:
        pass


class Weighted:
    """Each in proportion to its weight, evenly spread: its turns are 1/weight apart on a clock of the tier's own.

    Who was not to be had has missed its turns, but the last.
    """

    def __init__(self) -> None:
        self._clock = 0.0
        self._due: dict[str, float] = {}

    def rank(self, seat: Seat, *, entering: bool) -> Rank:
        if seat.account_id not in self._due:
            self._due[seat.account_id] = self._clock + 0.5 / seat.weight
        elif entering:
            self._due[seat.account_id] = max(self._clock, self._due[seat.account_id])
        return self._due[seat.account_id], seat.last_use

    def took(self, seat: Seat) -> None:
        due = self._due[seat.account_id]
        self._clock = max(self._clock, due)
        self._due[seat.account_id] = due + 1 / seat.weight


class Random:
    """Each as likely as the others.

    As in a race of clocks that ring after an exponential time: which one rings next owes nothing to what was before,
    and nobody has to be counted.
    """

    def __init__(self) -> None:
        self._clock = 0.0
        self._due: dict[str, float] = {}

    def rank(self, seat: Seat, *, entering: bool) -> Rank:
        if entering or seat.account_id not in self._due:
            self._wind(seat)
        return self._due[seat.account_id], 0.0

    def took(self, seat: Seat) -> None:
        self._clock = max(self._clock, self._due[seat.account_id])
        self._wind(seat)

    def _wind(self, seat: Seat) -> None:
        self._due[seat.account_id] = self._clock + random.expovariate(1.0)


STRATEGIES: Final[dict[str, Callable[[], Strategy]]] = {
    "least_busy": LeastBusy,
    "round_robin": RoundRobin,
    "weighted": Weighted,
    "random": Random,
}


class Free:
    """The free accounts that can do one kind of task; those of a higher priority go first."""

    def __init__(self, strategy: Callable[[], Strategy]) -> None:
        self._strategy = strategy
        self._tiers: dict[int, tuple[Ranked[str], Strategy]] = {}
        self._order: list[int] = []
        self._where: dict[str, int] = {}

    def __contains__(self, account_id: object) -> bool:
        return account_id in self._where

    def put(self, seat: Seat, *, priority: int) -> None:
        """An account is free, or is so still, in another state."""
        before = self._where.get(seat.account_id)
        if before != priority:
            self.drop(seat.account_id)
        ranked, strategy = self._tier(priority)
        ranked.put(seat.account_id, strategy.rank(seat, entering=before != priority))
        self._where[seat.account_id] = priority

    def drop(self, account_id: str) -> None:
        """An account is not to be had."""
        priority = self._where.pop(account_id, None)
        if priority is not None:
            self._tiers[priority][0].drop(account_id)

    def first(self, *, avoid: frozenset[str]) -> str | None:
        """The account that is next; one to *avoid* only if there is no other."""
        for priority in self._order:
            found = self._tiers[priority][0].first(beside=avoid)
            if found is not None:
                return found
        return self.first(avoid=frozenset()) if avoid else None

    def took(self, seat: Seat) -> None:
        """An account was chosen; `put` or `drop` follows."""
        self._tiers[self._where[seat.account_id]][1].took(seat)

    def _tier(self, priority: int) -> tuple[Ranked[str], Strategy]:
        if priority not in self._tiers:
            self._tiers[priority] = (Ranked(), self._strategy())
            self._order = sorted(self._tiers, reverse=True)
        return self._tiers[priority]
