"""Who takes which of several proxies: evenly many each, and the same one as long as it can be."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.store.database import Database
from sora2api.store.tables import spread


class Spread:
    """The proxies, by id, that accounts were given as their own, and those that they have moved to meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        self._moved: dict[str, str] = {}

    async def load(self) -> None:
        """Read what was kept; what was given out since then goes on."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(spread.c.account_id, spread.c.proxy_id))).all()
        self._kept = {row.account_id: row.proxy_id for row in rows}
        self._own = self._kept | self._own

    def own(self, whose: str, choices: Collection[str]) -> str | None:
        """The one of *choices* that is the account's for good; None where there are none."""
        return self._given(self._own, whose, choices)

    def other(self, whose: str, choices: Collection[str]) -> str | None:
        """The one of *choices* that the account uses until it goes `home`."""
        return self._given(self._moved, whose, choices)

    def home(self, whose: str) -> None:
        """The account uses its own again."""
        self._moved.pop(whose, None)

    def _given(self, given: dict[str, str], whose: str, choices: Collection[str]) -> str | None:
        if not choices:
            return None
        if given.get(whose) not in choices:
            given.pop(whose, None)
            given[whose] = _emptiest(whose, choices, (self._own, self._moved))
        return given[whose]

    async def keep(self, whose: Collection[str]) -> None:
        """Write down what those accounts were given, for the next start, and forget what others were."""
        self._own = {account: proxy for account, proxy in self._own.items() if account in whose}
        rows = [
            {"account_id": account, "proxy_id": proxy}
            for account, proxy in self._own.items()
            if self._kept.get(account) != proxy
        ]
        gone = [*(self._kept.keys() - self._own.keys()), *(row["account_id"] for row in rows)]
        if not gone:
            return

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(delete(spread).where(spread.c.account_id.in_(gone)))
            if rows:
                await connection.execute(insert(spread), rows)

        now = dict(self._own)
        await self._database.write(write)
        self._kept = now


def _emptiest(whose: str, choices: Iterable[str], given: Iterable[Mapping[str, str]]) -> str:
    load = Counter(proxy for taken in given for proxy in taken.values())
    return min(choices, key=lambda proxy: (load[proxy], hashlib.sha256(f"{whose} {proxy}".encode()).digest()))
