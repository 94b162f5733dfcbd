"""What the commands about accounts stand on: the accounts of a data directory, and the way to their engines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from sora2api.accounts import AccountBook, Engines, Health, Pool, ProxyBook
from sora2api.accounts.daily import DailyUse
from sora2api.accounts.lanes import Standing
from sora2api.cli.state import load_settings, open_state, plugins_folder
from sora2api.egress import GuardedFetch, Sessions
from sora2api.registry import Registry, discover
from sora2api.store.database import Database
from sora2api.store.secrets import Secrets


class Listed(Struct, frozen=True, kw_only=True):
    """The accounts, and how they stand."""

    database: Database
    vault: Secrets
    book: AccountBook
    standing: Standing


class Reached(Struct, frozen=True, kw_only=True):
    """The accounts with their engines, and what is installed."""

    database: Database
    registry: Registry
    pool: Pool
    book: AccountBook
    standing: Standing
    proxies: ProxyBook
    engines: Engines
    health: Health


@asynccontextmanager
async def listed(folder: Path) -> AsyncIterator[Listed]:
    async with open_state(folder) as database:
        vault = await asyncio.to_thread(Secrets.open, folder)
        book, daily = AccountBook(database, vault), DailyUse()
        await book.load()
        await daily.load(database)
        yield Listed(database=database, vault=vault, book=book, standing=Standing(daily))


@asynccontextmanager
async def reached(folder: Path) -> AsyncIterator[Reached]:
    async with listed(folder) as known:
        settings = (await load_settings(folder, known.database)).settings
        registry = await asyncio.to_thread(
            discover, folder=plugins_folder(folder, settings), disabled=settings.disabled_plugins
        )
        proxies = ProxyBook(known.database, known.vault, default=settings.default_proxy, failure=settings.proxy_failure)
        await proxies.load()
        sessions = Sessions()
        engines = Engines(registry.drivers, sessions, book=known.book, proxies=proxies, fetch=GuardedFetch())
        pool = Pool(known.book, engines, sandbox=False, strategy=settings.strategy)
        try:
            yield Reached(
                database=known.database,
                registry=registry,
                pool=pool,
                book=known.book,
                standing=known.standing,
                proxies=proxies,
                engines=engines,
                health=Health(known.book, engines, pool),
            )
        finally:
            await engines.refreshes.close()
            await sessions.close()
