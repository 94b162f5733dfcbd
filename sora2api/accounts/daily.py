"""How many tasks each account was given today: for quotas that begin anew at midnight, UTC."""

import time
from collections import Counter
from typing import Final

from sqlalchemy import func, select, union_all

from sora2api.accounts.book import Account, Slot
from sora2api.store.database import Database
from sora2api.store.tables import tasks

DAY: Final = 86400


class DailyUse:
    """Counted from the tasks at the start (`load`), and in memory after."""

    def __init__(self) -> None:
        self._day = today()
        self._used: Counter[tuple[str, Slot]] = Counter()

    async def load(self, database: Database) -> None:
        """Count today's tasks: those that an engine took, and those that it may be taking."""
        day = today()
        taken = func.coalesce(tasks.c.submitted_at, tasks.c.intended_at) >= day * DAY
        each = select(tasks.c.account_id, tasks.c.slot).where(taken)
        over = each.where(tasks.c.ended_at >= day * DAY, tasks.c.submitted_at.is_not(None))
        some = union_all(over, each.where(tasks.c.ended_at.is_(None))).subquery()
        query = select(some.c.account_id, some.c.slot, func.count()).group_by(some.c.account_id, some.c.slot)
        async with database.reading() as connection:
            rows = (await connection.execute(query)).all()
        self._day = day
        self._used = Counter({(account_id, slot): number for account_id, slot, number in rows})

    def add(self, account_id: str, slot: Slot) -> int:
        """Count a task; the day that it counts for."""
        self._turn_over()
        self._used[account_id, slot] += 1
        return self._day

    def take_back(self, account_id: str, slot: Slot, *, day: int) -> None:
        """A task that was counted for *day* was not taken by the engine."""
        self._turn_over()
        if day == self._day and self._used[account_id, slot]:
            self._used[account_id, slot] -= 1

    def used(self, account_id: str, slot: Slot) -> int:
        self._turn_over()
        return self._used.get((account_id, slot), 0)

    def used_up(self, account: Account, slot: Slot) -> bool:
        quota = account.daily(slot)
        return quota is not None and self.used(account.id, slot) >= quota

    def _turn_over(self) -> None:
        if self._day != today():
            self._day = today()
            self._used.clear()


def today() -> int:
    """The number of this day (UTC) since the epoch."""
    return int(time.time() // DAY)


def midnight() -> float:
    """When the next day begins."""
    return float((today() + 1) * DAY)
