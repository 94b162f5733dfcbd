"""Leases: which account does a task, and who waits for which.

A slot is held by a live task and by nothing else, so it can neither leak nor be given back twice. Of those who wait,
the one whose API key holds the fewest slots goes first, then the one whose key was served longest ago, then the one
admitted first; who cannot be served now is passed over.
"""

import asyncio
import random
import time
from bisect import insort
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from sora2api.accounts.book import Account, AccountBook, Slot
from sora2api.accounts.engines import Engines
from sora2api.drivers import Capability, Driver, EngineModel


class Need(Struct, frozen=True, kw_only=True):
    """What an account must offer: *model* is the public name, *capabilities* what its engine's model must be
    able to do.

    *account* and *engine_model* bind it to a certain one; accounts to *avoid* are taken only if there is no other.
    """

    model: str
    slot: Slot
    capabilities: frozenset[Capability]
    account: str | None = None
    engine_model: str | None = None
    avoid: frozenset[str] = frozenset()


class Lease(Struct, frozen=True, kw_only=True):
    """A task's hold on an account and one of its slots."""

    account: Account
    model: EngineModel
    driver: Driver


class _Waiter:
    __slots__ = ("admitted", "lease", "owner", "task")

    def __init__(self, *, owner: str, task: str, admitted: float) -> None:
        self.owner = owner
        self.task = task
        self.admitted = admitted
        self.lease: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()


class Pool:
    """Gives leases. `look_again` after anything changed that may let somebody go on."""

    def __init__(self, book: AccountBook, engines: Engines, *, sandbox: bool, strategy: str) -> None:
        self.sandbox_only = sandbox
        self._book = book
        self._engines = engines
        self._rank = _STRATEGIES[strategy]
        self._held: dict[tuple[str, Slot], dict[str, str]] = {}
        self._where: dict[str, tuple[str, Slot]] = {}
        self._by_owner: Counter[str] = Counter()
        self._waiting: dict[Need, dict[str, list[_Waiter]]] = {}
        self._given = 0
        self._last_use: dict[str, int] = {}
        self._last_turn: dict[str, int] = {}
        self._unserved: dict[tuple[str, str], float] = {}

    # Who could serve.

    def candidates(self, need: Need) -> list[tuple[Account, EngineModel]]:
        """The accounts that are in use and can do it, whether or not they rest or have a free slot."""
        found = []
        for account in self._book.all():
            if need.account not in (None, account.id) or not (self._in_use(account) or _goes_on(account, need)):
                continue
            model = self._engine_model(account, need)
            if model is not None and account.slots(need.slot) > 0:
                found.append((account, model))
        return found

    def could_serve(self, need: Need) -> bool:
        return bool(self.candidates(need))

    def in_service(self) -> list[Account]:
        """The accounts that are in use, well or not."""
        return [account for account in self._book.all() if self._in_use(account)]

    def unserved(self, account_id: str, model: str, *, until: float) -> None:
        """The account's engine said that it does not serve the public *model*: not to be asked for it until then."""
        self._unserved[account_id, model] = until

    def sandbox_in_use(self) -> bool:
        """Whether the sandbox is what serves."""
        return self.sandbox_only or not self._book.ever_real

    def _in_use(self, account: Account) -> bool:
        if not account.enabled or account.removed_at is not None or account.driver not in self._engines.kinds:
            return False
        if self.sandbox_only:
            return account.sandbox
        return not account.sandbox or not self._book.ever_real

    def _engine_model(self, account: Account, need: Need) -> EngineModel | None:
        driver = self._engines.driver(account)
        model = driver.engine_model(need.model, need.slot, account.models)
        if model is None or not need.capabilities <= model.capabilities:
            return None
        return model if need.engine_model in (None, model.name) else None

    # Leases.

    async def lease(self, need: Need, *, task: str, owner: str, admitted: float) -> Lease:
        """Wait for an account that offers what is needed, and hold one of its slots for *task*."""
        waiter = _Waiter(owner=owner, task=task, admitted=admitted)
        insort(self._waiting.setdefault(need, {}).setdefault(owner, []), waiter, key=lambda other: other.admitted)
        self.look_again()
        try:
            return await waiter.lease
        except asyncio.CancelledError:
            if waiter.lease.done() and not waiter.lease.cancelled():
                self.release(task)
            raise
        finally:
            waiter.lease.cancel()

    def hold(self, task: str, *, account_id: str, slot: Slot, owner: str) -> None:
        """Hold a slot for a task that is live already, from before a restart; even beyond the account's limit."""
        self._held.setdefault((account_id, slot), {})[task] = owner
        self._where[task] = (account_id, slot)
        self._by_owner[owner] += 1

    def release(self, task: str) -> None:
        """Give the slot of *task* back; nothing happens if it holds none."""
        where = self._where.pop(task, None)
        if where is None:
            return
        owner = self._held[where].pop(task)
        self._by_owner[owner] -= 1
        self.look_again()

    def in_use(self, account_id: str, slot: Slot) -> int:
        return len(self._held.get((account_id, slot), ()))

    def waiting(self) -> int:
        return sum(
            1 for owners in self._waiting.values() for queue in owners.values() for waiter in queue if _waits(waiter)
        )

    def look_again(self) -> None:
        """Give leases as long as somebody who waits can be served."""
        while (best := self._next()) is not None:
            need, waiter, account, model = best
            del self._waiting[need][waiter.owner][0]
            self.hold(waiter.task, account_id=account.id, slot=need.slot, owner=waiter.owner)
            self._given += 1
            self._last_use[account.id] = self._last_turn[waiter.owner] = self._given
            waiter.lease.set_result(Lease(account=account, model=model, driver=self._engines.driver(account)))

    def _next(self) -> tuple[Need, _Waiter, Account, EngineModel] | None:
        best = None
        for need in list(self._waiting):
            head = self._head(need)
            choice = None if head is None else self._choose(need)
            if head is None or choice is None:
                continue
            if best is None or self._order(head) < self._order(best[1]):
                best = (need, head, *choice)
        return best

    def _order(self, waiter: _Waiter) -> tuple[int, int, float]:
        return self._by_owner[waiter.owner], self._last_turn.get(waiter.owner, 0), waiter.admitted

    def _head(self, need: Need) -> _Waiter | None:
        """Who goes first of those that wait for the same; those who gave up are forgotten."""
        owners = self._waiting[need]
        for owner, queue in list(owners.items()):
            while queue and not _waits(queue[0]):
                del queue[0]
            if not queue:
                del owners[owner]
        if not owners:
            del self._waiting[need]
            return None
        return min((queue[0] for queue in owners.values()), key=self._order)

    def _choose(self, need: Need) -> tuple[Account, EngineModel] | None:
        now = time.time()
        free = [
            (account, model)
            for account, model in self.candidates(need)
            if account.ready(now)
            and self.in_use(account.id, need.slot) < account.slots(need.slot)
            and self._unserved.get((account.id, need.model), 0) <= now
        ]
        preferred = [choice for choice in free if choice[0].id not in need.avoid] or free
        return min(preferred, key=lambda choice: self._rank(self, choice[0], need), default=None)

    # Why somebody waits.

    def reason(self, need: Need, *, admitted: float) -> str:
        """One sentence that says what a task with this need waits for."""
        candidates = [account for account, _ in self.candidates(need)]
        if not candidates:
            return "No account in use can do this."
        now = time.time()
        ready = [account for account in candidates if account.ready(now)]
        if not ready:
            until = min((account.rests_until for account in candidates if account.rests_until), default=None)
            names = _names(candidates)
            rest = "" if until is None else f" for {max(1, round(until - now))} s more"
            return f"{names} rests{rest}: {candidates[0].set_aside}."
        return f"Waiting for a {need.slot} slot on {_names(ready)}: {self.ahead(need, admitted=admitted)} ahead."

    def ahead(self, need: Need, *, admitted: float) -> int:
        """How many wait for the same kind of slot and were admitted before."""
        return sum(
            1
            for other, owners in self._waiting.items()
            if other.slot == need.slot
            for queue in owners.values()
            for waiter in queue
            if _waits(waiter) and waiter.admitted < admitted
        )


def _goes_on(account: Account, need: Need) -> bool:
    """Whether a job that the sandbox has begun may end there, though an engine has been connected since."""
    return account.sandbox and need.engine_model is not None


def _waits(waiter: _Waiter) -> bool:
    return not waiter.lease.done()


def _names(accounts: Sequence[Account]) -> str:
    first = ", ".join(account.name for account in accounts[:3])
    return first if len(accounts) <= 3 else f"{first} and {len(accounts) - 3} more"


def _busy(pool: Pool, account: Account, need: Need) -> float:
    return pool.in_use(account.id, need.slot) / account.slots(need.slot)


_STRATEGIES: dict[str, Callable[[Pool, Account, Need], float]] = {
    "least_busy": _busy,
    "round_robin": lambda pool, account, _need: pool._last_use.get(account.id, 0),  # noqa: SLF001
    "weighted": lambda pool, account, need: (pool.in_use(account.id, need.slot) + 1) / account.weight,
    "random": lambda _pool, _account, _need: random.random(),  # noqa: S311
}
