"""Lanes: for each kind of task the accounts that can do it, and those of them that are free, kept as they change."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from sora2api.accounts.book import Account, Slot
from sora2api.accounts.choice import Free, Strategy
from sora2api.accounts.daily import DailyUse, midnight
from sora2api.accounts.waiting import Line
from sora2api.drivers import Capability, EngineModel
from sora2api.errors import AccountExpired, NotServedHere, QuotaExhausted


class Kind(Struct, frozen=True):
    """What a lane's accounts can do: that of a need which is the same for many tasks."""

    model: str
    slot: Slot
    capabilities: frozenset[Capability]
    engine_model: str | None
    groups: frozenset[str]
    sandbox: bool


class Closed(Struct, frozen=True):
    """Why an account is given no tasks of a kind, by an error's code, and until when; None: until it is mended.

    *daily*: by a quota of our own.
    """

    code: str
    until: float | None
    daily: bool = False


class Lane:
    """The accounts that can do one kind of task. Those that have changed are looked at again when that matters."""

    def __init__(self, kind: Kind, strategy: Callable[[], Strategy]) -> None:
        self.kind = kind
        self.members: dict[str, EngineModel] = {}
        self.free = Free(strategy)
        self.changed: dict[str, None] = {}
        self.lines: dict[str | None, Line[Any]] = {}
        """Who waits for any of the accounts (None), or for a certain one."""
        self.outlook: tuple[list[str], list[tuple[str, Closed]]] | None = None
        """The ids of those that are open, and of those that are not, as last looked up."""


class Standing:
    """How accounts stand as to new tasks, beyond having a free slot."""

    def __init__(self, daily: DailyUse) -> None:
        self.daily = daily
        self.trials: dict[str, str] = {}
        """The task that shows whether an account is well again, by account."""
        self._unserved: defaultdict[str, dict[str, float]] = defaultdict(dict)

    def unserved(self, account_id: str, model: str, *, until: float) -> None:
        """Its engine does not serve the public *model*: not to be asked for it until then."""
        self._unserved[account_id][model] = until

    def tried(self, account: Account) -> bool:
        """Whether it is on trial, and has the one task that it gets until it has shown how it is."""
        return account.id in self.trials and account.on_trial(time.time())

    def closed(self, account: Account, slot: Slot, *, model: str = "") -> Closed | None:
        """Why it is given no tasks for the public *model* now; None: it is open for them, if it has a free *slot*."""
        now = time.time()
        if account.set_aside is not None and account.rests(now):
            return Closed(account.set_aside, account.rests_until)
        if account.expired(now):
            return Closed(AccountExpired.code, None)
        if self.daily.used_up(account, slot):
            return Closed(QuotaExhausted.code, midnight(), daily=True)
        until = self._unserved[account.id].get(model, 0.0)
        return Closed(NotServedHere.code, until) if until > now else None

    def next_change(self, account: Account) -> float | None:
        """When an account changes by itself, if it does."""
        now = time.time()
        moments = [account.rests_until, account.expires_at]
        moments += self._unserved[account.id].values()
        if self.daily.used_up(account, "image") or self.daily.used_up(account, "video"):
            moments.append(midnight())
        return min((moment for moment in moments if moment is not None and moment > now), default=None)
