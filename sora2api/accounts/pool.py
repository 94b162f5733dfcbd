"""Leases: which account does a task, and who waits for which.

A slot is held by a live task and by nothing else, so it can neither leak nor be given back twice. Of those who wait,
the one whose API key holds the fewest slots goes first, then the one whose key was served longest ago, then the one
admitted first; who cannot be served now is passed over. Nothing here looks at all accounts, or at all who wait, for
each lease: what has changed is looked at, and that only where it matters.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

from msgspec import Struct

from sora2api.accounts import reasons
from sora2api.accounts.book import Account, AccountBook, Slot
from sora2api.accounts.choice import STRATEGIES, Seat
from sora2api.accounts.daily import DailyUse
from sora2api.accounts.engines import Engines
from sora2api.accounts.lanes import Closed, Kind, Lane, Standing
from sora2api.accounts.ranked import Ranked
from sora2api.accounts.waiting import Admissions, Line, Owners, Turn, Waiter
from sora2api.drivers import Capability, Driver, EngineModel
from sora2api.errors import NoEngine

_SLOTS: Final[tuple[Slot, ...]] = ("image", "video")
_MOST_LANES: Final = 512


class Need(Struct, frozen=True, kw_only=True):
    """What an account must offer: *model* is the public name, *capabilities* what its engine's model must be
    able to do; it must be in all *groups*.

    *account* and *engine_model* bind it to a certain one; accounts to *avoid* are taken only if there is no other.
    *sandbox*: by the built-in sandbox alone, whichever accounts there are.
    """

    model: str
    slot: Slot
    capabilities: frozenset[Capability]
    account: str | None = None
    engine_model: str | None = None
    avoid: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    sandbox: bool = False


class Lease(Struct, frozen=True, kw_only=True):
    """A task's hold on an account and one of its slots."""

    account: Account
    model: EngineModel
    driver: Driver


_Line = Line[Lease]


class _Held(Struct):
    """A slot that a task holds; *day* is the one that it was counted for."""

    seat: Seat
    slot: Slot
    owner: str
    day: int | None


class Pool:
    """Gives leases, and hears of every change in the *book*. `look_again` when time alone may have changed something.

    *daily*: how many tasks each account was given today, before.
    """

    def __init__(
        self, book: AccountBook, engines: Engines, *, sandbox: bool, strategy: str, daily: DailyUse | None = None
    ) -> None:
        self.sandbox_only = sandbox
        self._book = book
        self._engines = engines
        self._strategy = STRATEGIES[strategy]
        self._daily = DailyUse() if daily is None else daily
        self.standing = Standing(self._daily)
        """Why accounts are given no tasks."""
        self._lanes: dict[Kind, Lane] = {}
        self._seats: dict[tuple[str, Slot], Seat] = {}
        self._held: dict[str, _Held] = {}
        self._given = 0
        self._owners = Owners()
        self._admissions = Admissions()
        self._waiting: dict[Waiter[Lease], tuple[Lane, _Line]] = {}
        self._hopeful: dict[_Line, Lane] = {}
        self._wakes: Ranked[str] = Ranked()
        self._real = book.ever_real
        self._listeners: list[Callable[[str], None]] = []
        for account in book.all():
            self._place(account)
        book.listen(self._heard)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Have *listener* called with the id of each account whose standing may have changed, at once."""
        self._listeners.append(listener)

    # Who could serve.

    def candidates(self, need: Need) -> list[tuple[Account, EngineModel]]:
        """The accounts that are in use and can do it, whether or not they rest or have a free slot."""
        members = self._lane(need).members
        chosen = members if need.account is None else {need.account} & members.keys()
        return [(self._book.get(account_id), members[account_id]) for account_id in chosen]

    def able(self, need: Need) -> int:
        """How many `candidates` there are."""
        return len(self._lane(need).members)

    def could_serve(self, need: Need) -> bool:
        members = self._lane(need).members
        return bool(members) if need.account is None else need.account in members

    def in_service(self) -> list[Account]:
        """The accounts that are in use, well or not."""
        return [account for account in self._book.all() if self._in_use(account)]

    def unserved(self, account_id: str, model: str, *, until: float) -> None:
        """The account's engine said that it does not serve the public *model*: not to be asked for it until then."""
        self.standing.unserved(account_id, model, until=until)
        self._stir(account_id)

    def sandbox_in_use(self) -> bool:
        """Whether the sandbox is what serves."""
        return self.sandbox_only or not self._book.ever_real

    def _in_use(self, account: Account) -> bool:
        if not account.enabled or account.removed_at is not None or account.driver not in self._engines.kinds:
            return False
        if self.sandbox_only:
            return account.sandbox
        return not account.sandbox or not self._book.ever_real

    def _open_to(self, account: Account, kind: Kind) -> bool:
        """What the sandbox has begun may end there, though an engine has been connected since."""
        if account.sandbox and (kind.sandbox or kind.engine_model is not None):
            return True
        return not kind.sandbox and self._in_use(account)

    def _able(self, account: Account, kind: Kind) -> EngineModel | None:
        """The account's model for tasks of this *kind*, if it can do them. The sandbox is in all groups."""
        if not self._open_to(account, kind):
            return None
        if account.slots(kind.slot) <= 0 or not (account.sandbox or kind.groups <= set(account.groups)):
            return None
        try:
            model = self._engines.driver(account).engine_model(kind.model, kind.slot, account.models)
        except NoEngine:  # an account that is wrong keeps no other from its work
            return None
        if model is None or not kind.capabilities <= model.capabilities:
            return None
        return model if kind.engine_model in (None, model.name) else None

    # What is known of accounts, kept as it changes.

    def _lane(self, need: Need) -> Lane:
        kind = Kind(need.model, need.slot, need.capabilities, need.engine_model, frozenset(need.groups), need.sandbox)
        lane = self._lanes.get(kind)
        if lane is None:
            if len(self._lanes) >= _MOST_LANES:
                idle = [known for known, lane in self._lanes.items() if not lane.lines]
                for known in idle[: _MOST_LANES // 2]:
                    del self._lanes[known]
            lane = self._lanes[kind] = Lane(kind, self._strategy)
            for account in self._book.all():
                self._enrol(account, lane)
        return lane

    def _enrol(self, account: Account, lane: Lane) -> None:
        """Have the *lane* know whether the account can do its tasks."""
        model = self._able(account, lane.kind)
        if model is not None:
            lane.members[account.id] = model
        else:
            lane.members.pop(account.id, None)
        lane.changed[account.id] = None
        lane.outlook = None

    def _heard(self, _before: Account | None, account: Account) -> None:
        """An account has changed; with the first real one, the sandbox goes."""
        changed = (account,) if self._real == self._book.ever_real else self._book.all()
        self._real = self._book.ever_real
        for each in changed:
            self._place(each)
        self.look_again()

    def _place(self, account: Account) -> None:
        for slot in _SLOTS:
            seat = self._seat(account.id, slot)
            seat.slots, seat.weight = account.slots(slot), account.weight
        for lane in self._lanes.values():
            self._enrol(account, lane)
        self._stir(account.id)

    def _seat(self, account_id: str, slot: Slot) -> Seat:
        seat = self._seats.get((account_id, slot))
        if seat is None:
            seat = self._seats[account_id, slot] = Seat(account_id)
        return seat

    def _stir(self, account_id: str) -> None:
        """How an account stands has changed, or will of itself."""
        moment = self.standing.next_change(self._book.get(account_id))
        if moment is None:
            self._wakes.drop(account_id)
        else:
            self._wakes.put(account_id, moment)
        for slot in _SLOTS:
            self._touch(account_id, slot, outlook=True)
        for listener in self._listeners:
            listener(account_id)

    def _touch(self, account_id: str, slot: Slot, *, outlook: bool) -> None:
        """Have the account looked at again where it matters; *outlook*: not its free slots alone have changed."""
        for lane in self._lanes.values():
            if lane.kind.slot != slot or account_id not in lane.members:
                continue
            lane.changed[account_id] = None
            if outlook:
                lane.outlook = None
            for whom in (None, account_id):
                if whom in lane.lines:
                    self._hopeful[lane.lines[whom]] = lane

    def _settle(self, lane: Lane) -> None:
        """Look at the accounts that have changed."""
        for account_id in lane.changed:
            account, seat = self._book.get(account_id), self._seat(account_id, lane.kind.slot)
            able = account_id in lane.members and seat.free and not self.standing.tried(account)
            if able and self._closed(account, lane) is None:
                lane.free.put(seat, priority=account.priority)
            else:
                lane.free.drop(account_id)
        lane.changed.clear()

    def _closed(self, account: Account, lane: Lane) -> Closed | None:
        return self.standing.closed(account, lane.kind.slot, model=lane.kind.model)

    # Leases.

    async def lease(self, need: Need, *, task: str, owner: str, admitted: float) -> Lease:
        """Wait for an account that offers what is needed, and hold one of its slots for *task*."""
        lane = self._lane(need)
        line = lane.lines.setdefault(need.account, _Line(self._owners, need.account))
        waiter = Waiter[Lease](owner=owner, task=task, admitted=admitted, avoid=need.avoid)
        line.add(waiter)
        self._admissions.add(need.slot, admitted)
        self._waiting[waiter] = (lane, line)
        self._hopeful[line] = lane
        self.look_again()
        try:
            return await waiter.lease
        except asyncio.CancelledError:
            if waiter.lease.done() and not waiter.lease.cancelled():
                self.release(task, made=False)
            raise
        finally:
            self._leave(waiter)

    def _leave(self, waiter: Waiter[Lease]) -> None:
        """Somebody waits no more."""
        where = self._waiting.pop(waiter, None)
        if where is None:
            return
        lane, line = where
        line.drop(waiter)
        self._admissions.drop(lane.kind.slot, waiter.admitted)
        if not line:
            del lane.lines[line.whom]
            self._hopeful.pop(line, None)

    def hold(self, task: str, *, account_id: str, slot: Slot, owner: str) -> None:
        """Hold a slot for a task that is live already, from before a restart; even beyond the account's limit."""
        self._hold(task, self._seat(account_id, slot), slot, owner, day=None)

    def _hold(self, task: str, seat: Seat, slot: Slot, owner: str, *, day: int | None) -> None:
        seat.held[task] = owner
        self._held[task] = _Held(seat, slot, owner, day)
        self._owners.hold(owner, 1)
        self._moved(seat.account_id, slot)

    def release(self, task: str, *, made: bool = True) -> None:
        """Give the slot of *task* back; nothing happens if it holds none. *made*: an engine had taken the task."""
        held = self._held.pop(task, None)
        if held is None:
            return
        account_id = held.seat.account_id
        del held.seat.held[task]
        if self.standing.trials.get(account_id) == task:
            del self.standing.trials[account_id]
        if not made and held.day is not None:
            self._daily.take_back(account_id, held.slot, day=held.day)
        self._owners.hold(held.owner, -1)
        self._moved(account_id, held.slot)
        self.look_again()

    def _moved(self, account_id: str, slot: Slot) -> None:
        """A slot of the account was given, or given back."""
        account = self._book.get(account_id)
        if account.daily(slot) is not None or account.set_aside is not None:
            self._stir(account_id)
        else:
            self._touch(account_id, slot, outlook=False)

    def in_use(self, account_id: str, slot: Slot) -> int:
        seat = self._seats.get((account_id, slot))
        return 0 if seat is None else len(seat.held)

    def busy(self) -> Counter[str]:
        """How many slots of each account are taken, of those of which any is."""
        return Counter(held.seat.account_id for held in self._held.values())

    def waiting(self) -> int:
        return len(self._admissions)

    def look_again(self) -> None:
        """Give leases as long as somebody who waits can be served."""
        now = time.time()
        while (account_id := self._wakes.first()) is not None and self._wakes.rank(account_id) <= now:
            self._stir(account_id)
        while (best := self._next()) is not None:
            self._give(*best)

    def _next(self) -> tuple[Lane, Waiter[Lease], str] | None:
        """Who goes first of those that can be served, and which account serves."""
        best: tuple[Turn, Lane, Waiter[Lease], str] | None = None
        for line, lane in list(self._hopeful.items()):
            waiter = self._first(line)
            account_id = None if waiter is None else self._choose(lane, line.whom, waiter.avoid)
            if waiter is None or account_id is None:
                self._hopeful.pop(line, None)
            elif best is None or line.turn() < best[0]:
                best = (line.turn(), lane, waiter, account_id)
        return None if best is None else best[1:]

    def _first(self, line: _Line) -> Waiter[Lease] | None:
        """Who goes first of those that wait for the same; those who gave up are let go."""
        while (waiter := line.first()) is not None and waiter.lease.done():
            self._leave(waiter)
        return waiter

    def _choose(self, lane: Lane, whom: str | None, avoid: frozenset[str]) -> str | None:
        self._settle(lane)
        if whom is not None:
            return whom if whom in lane.free else None
        return lane.free.first(avoid=avoid)

    def _give(self, lane: Lane, waiter: Waiter[Lease], account_id: str) -> None:
        account, slot = self._book.get(account_id), lane.kind.slot
        seat = self._seat(account_id, slot)
        self._leave(waiter)
        lane.free.took(seat)
        self._given += 1
        seat.last_use = self._given
        if account.on_trial(time.time()):
            self.standing.trials[account_id] = waiter.task
        self._owners.served(waiter.owner)
        self._hold(waiter.task, seat, slot, waiter.owner, day=self._daily.add(account_id, slot))
        driver = self._engines.driver(account)
        waiter.lease.set_result(Lease(account=account, model=lane.members[account_id], driver=driver))

    # Why somebody waits.

    def reason(self, need: Need, *, admitted: float) -> str:
        """One sentence that says what a task with this need waits for."""
        lane = self._lane(need)
        if need.account is None:
            ready, closed = self._outlook(lane)
        else:
            ready, closed = self._split(lane, {need.account} & lane.members.keys())
        if ready:
            return reasons.queued(need.slot, self._called(ready), ahead=self.ahead(need, admitted=admitted))
        if not closed:
            return reasons.nobody(need.groups)
        _, why = min(closed, key=lambda one: math.inf if one[1].until is None else one[1].until)
        return reasons.resting(need.slot, self._called([account_id for account_id, _ in closed]), why)

    def ahead(self, need: Need, *, admitted: float) -> int:
        """How many wait for the same kind of slot and were admitted before."""
        return self._admissions.before(need.slot, admitted)

    def _outlook(self, lane: Lane) -> tuple[list[str], list[tuple[str, Closed]]]:
        """The lane's accounts that are open, and those that are not, with why."""
        if lane.outlook is None:
            lane.outlook = self._split(lane, lane.members.keys())
        return lane.outlook

    def _split(self, lane: Lane, members: Collection[str]) -> tuple[list[str], list[tuple[str, Closed]]]:
        ready, closed = [], []
        for account_id in members:
            why = self._closed(self._book.get(account_id), lane)
            if why is None:
                ready.append(account_id)
            else:
                closed.append((account_id, why))
        return ready, closed

    def _called(self, accounts: Sequence[str]) -> list[str]:
        return [self._book.get(account_id).name for account_id in accounts]
