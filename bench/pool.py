"""What a lease costs as accounts and those who wait grow in number: `python bench/pool.py`.

The pool is the server's own, on a real database, with a driver that is never asked. What counts are the ratios: a lease
among 1,000 accounts beside one among 10, and one that 10,000 others wait behind beside one that nobody waits behind.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from sora2api.accounts import Account, AccountBook, Engines, Need, Pool, ProxyBook
from sora2api.accounts.choice import STRATEGIES
from sora2api.drivers import API_VERSION, Driver, EngineModel
from sora2api.egress import GuardedFetch, Sessions
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets

BUDGET: Final = 3.0
"""How much more a lease may cost among a hundred times as many accounts, or with 10,000 who wait."""
MODEL: Final = EngineModel(name="wan", capabilities=frozenset({"clip"}))
NEED: Final = Need(model="sora-2", slot="video", capabilities=frozenset({"clip"}))
LEASES: Final = 4000
ROUNDS: Final = 5
KEYS: Final = 50


class NoSettings(Struct):
    pass


class Silent(Driver):
    """Is never asked."""

    kind = "silent"
    api_version = API_VERSION
    settings_type = NoSettings

    async def check(self) -> Any: ...
    async def submit(self, work: Any) -> Any: ...
    async def poll(self, tasks: Any) -> Any: ...
    def fetch(self, task: Any, output: Any, *, offset: int = 0) -> Any: ...


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.to_thread(migrate, Path(folder))
        database, sessions = Database(Path(folder) / FILE), Sessions()
        vault = await asyncio.to_thread(Secrets.open, Path(folder))
        try:
            await compare(database, vault, sessions)
        finally:
            await sessions.close()
            await database.close()


async def compare(database: Database, vault: Secrets, sessions: Sessions) -> None:
    book = AccountBook(database, vault)
    engines = Engines({"silent": Silent}, sessions, book=book, proxies=ProxyBook(database, vault), fetch=GuardedFetch())
    costs: dict[str, dict[int, float]] = {strategy: {} for strategy in STRATEGIES}
    behind: dict[int, float] = {}
    for accounts in (10, 100, 1000):
        missing = accounts - len(book.all())
        await book.add_all([an_account(len(book.all()) + number) for number in range(missing)])
        for strategy in STRATEGIES:
            pool = Pool(book, engines, sandbox=False, strategy=strategy)
            costs[strategy][accounts] = await lease_and_release(pool, slots=2 * accounts)
    for waiting in (0, 100, 10_000):
        pool = Pool(book, engines, sandbox=False, strategy="least_busy")
        behind[waiting] = await hand_over(pool, slots=2 * 1000, waiting=waiting)
    report(costs, behind)


def an_account(number: int) -> Account:
    return Account(
        id=f"acc_{number}",
        name=f"box {number}",
        driver="silent",
        base_url="http://127.0.0.1:9",
        token=None,
        weight=1.0 + number % 3,
        models=(MODEL,),
        created_at=float(number),
    )


async def lease_and_release(pool: Pool, *, slots: int) -> float:
    """Microseconds of CPU for a lease and its release, with half of the slots held."""
    for number in range(slots // 2):
        await pool.lease(NEED, task=f"held {number}", owner=f"key {number % KEYS}", admitted=0.0)
    rounds = []
    for turn in range(ROUNDS):
        began = time.process_time()
        for number in range(LEASES):
            task = f"{turn} {number}"
            await pool.lease(NEED, task=task, owner=f"key {number % KEYS}", admitted=float(number))
            pool.release(task)
        rounds.append((time.process_time() - began) / LEASES * 1e6)
    return statistics.median(rounds)


async def hand_over(pool: Pool, *, slots: int, waiting: int) -> float:
    """Microseconds of CPU from the release of a slot to the lease of who is next and the arrival of another."""
    held = [f"held {number}" for number in range(slots)]
    for task in held:
        await pool.lease(NEED, task=task, owner="busy", admitted=0.0)
    crowd = [asyncio.ensure_future(wait(pool, f"waits {number}", number)) for number in range(waiting + 1)]
    await asyncio.sleep(0)
    rounds = []
    for turn in range(ROUNDS):
        began = time.process_time()
        for number in range(200):
            pool.release(held.pop())
            arrived = asyncio.ensure_future(wait(pool, f"{turn} {number}", number))
            await asyncio.wait((crowd[0], arrived), timeout=0)
            crowd.append(arrived)
        rounds.append((time.process_time() - began) / 200 * 1e6)
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    return statistics.median(rounds)


async def wait(pool: Pool, task: str, number: int) -> None:
    await pool.lease(NEED, task=task, owner=f"key {number % KEYS}", admitted=float(number))


def report(costs: dict[str, dict[int, float]], behind: dict[int, float]) -> None:
    for strategy, by_accounts in costs.items():
        told = ", ".join(f"{accounts:,} accounts {cost:.1f} us" for accounts, cost in by_accounts.items())
        print(f"{strategy}: {told}; ratio {by_accounts[1000] / by_accounts[10]:.2f}")
    told = ", ".join(f"{waiting:,} wait {cost:.1f} us" for waiting, cost in behind.items())
    print(f"handing a slot over: {told}; ratio {behind[10_000] / behind[0]:.2f}")
    worst = max(*(by[1000] / by[10] for by in costs.values()), behind[10_000] / behind[0])
    print(f"{'within' if worst <= BUDGET else 'BEYOND'} the budget of {BUDGET:g}")
    raise SystemExit(worst > BUDGET)


if __name__ == "__main__":
    asyncio.run(main())
