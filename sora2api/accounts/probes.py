"""Looking at proxies: each is tried now and then, and accounts rest while theirs lets nothing through."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Final

from yarl import URL

from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.health import Health
from sora2api.accounts.proxies import SPREAD, ProxyBook
from sora2api.egress import Route, probe
from sora2api.errors import ProxyFault

log = logging.getLogger(__name__)

TIMEOUT: Final = 10.0
_TICK: Final = 1.0


class Probes:
    """Tries every proxy that is listed and enabled, or used by an account, by opening a way to an engine of its users.

    One that nobody uses is only greeted, so that no host is contacted that is not the operator's own choice.
    """

    def __init__(self, book: AccountBook, proxies: ProxyBook, health: Health, *, timeout: float = TIMEOUT) -> None:
        self._book = book
        self._proxies = proxies
        self._health = health
        self._timeout = timeout
        self._probing: dict[str, asyncio.Task[None]] = {}
        self._turn: Counter[str] = Counter()
        self._down: set[str] = set()

    async def run(self) -> None:
        """Go on until cancelled. A silent proxy keeps no other waiting."""
        try:
            while True:
                self._proxies.news.clear()
                uses = self._uses()
                for route, accounts in uses.items():
                    self._look_at(route, accounts)
                for account in self._accounts():
                    await self._settle(account)
                await self._keep(uses)
                await self._pause()
        finally:
            for probing in self._probing.values():
                probing.cancel()

    async def probe(self, route: Route, accounts: Sequence[Account]) -> float:
        """Try the proxy of *route* once, for one of the *accounts* that use it: its latency. Raises `ProxyFault`."""
        assert route.url is not None  # noqa: S101 - only ways through a proxy are probed
        standing = self._proxies.standing(route.url)
        self._turn[route.url] += 1
        towards = None
        if accounts:
            base = URL(accounts[self._turn[route.url] % len(accounts)].base_url)
            towards = (base.host or "", base.port or 80)
        try:
            latency = await probe(route.url, towards=towards, timeout=self._timeout)
        except ProxyFault as error:
            standing.missed(error.code)
            raise
        standing.passed(latency)
        return latency

    def users(self, route: Route) -> Sequence[Account]:
        """The accounts that go through the proxy as long as it is well."""
        return self._uses().get(route, ())

    def _uses(self) -> dict[Route, list[Account]]:
        uses: dict[Route, list[Account]] = {proxy.route: [] for proxy in self._proxies.all() if proxy.enabled}
        for account in self._accounts():
            route = self._assigned(account.proxy, whose=account.id)
            if route is not None:
                uses.setdefault(route, []).append(account)
        default = self._assigned(None, whose="")
        if default is not None:
            uses.setdefault(default, [])
        return uses

    def _assigned(self, word: str | None, *, whose: str) -> Route | None:
        """The way through a proxy that may be used, if that is the way."""
        try:
            route = self._proxies.assigned(word, whose=whose)
        except ProxyFault:
            return None
        listed = self._proxies.listed(route)
        return None if route.url is None or (listed is not None and not listed.enabled) else route

    def _accounts(self) -> list[Account]:
        return [account for account in self._book.all() if account.removed_at is None and not account.sandbox]

    def _look_at(self, route: Route, accounts: Sequence[Account]) -> None:
        url = route.url or ""
        if url not in self._probing and self._proxies.standing(url).is_due():
            self._probing[url] = asyncio.create_task(self._try(route, accounts), name=f"probe of {route.name}")

    async def _try(self, route: Route, accounts: Sequence[Account]) -> None:
        url = route.url or ""
        try:
            await self.probe(route, accounts)
        except ProxyFault as error:
            log.info("probe of a proxy failed", extra={"proxy": route.name, "code": error.code})
        finally:
            del self._probing[url]
            self._proxies.news.set()

    async def _settle(self, account: Account) -> None:
        """Let the account rest, or work again, as its proxy says."""
        try:
            self._proxies.route(account.proxy, whose=account.id)
        except ProxyFault as error:
            await self._health.proxy_down(account.id, error)
        else:
            await self._health.proxy_back(account.id)

    async def _keep(self, uses: dict[Route, list[Account]]) -> None:
        for route in uses:
            url = route.url or ""
            down = self._proxies.standing(url).down
            if (down is not None) != (url in self._down):
                self._down ^= {url}
                log.warning("proxy back" if down is None else "proxy down", extra={"proxy": route.name, "code": down})
        spread = {account.id for account in self._accounts() if self._proxies.word(account.proxy) == SPREAD}
        if self._proxies.word(None) == SPREAD:
            spread.add("")
        await self._proxies.keep(spread=spread, urls={route.url or "" for route in uses})

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_TICK):
                await self._proxies.news.wait()
        except TimeoutError:
            return
