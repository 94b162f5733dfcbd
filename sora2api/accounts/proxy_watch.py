"""Watching over proxies: each is tried now and then, and accounts rest while theirs lets nothing through."""

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from sora2api.accounts.aside import set_aside, take_back
from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.probes import Probes, reason
from sora2api.accounts.proxies import SPREAD, ProxyBook
from sora2api.egress.proxies import shown
from sora2api.errors import ProxyFault

log = logging.getLogger(__name__)

_TICK: Final = 1.0


class ProxyWatch:
    """Probes proxies when they are due, and at once when a call was blocked; accounts and the log hear of it."""

    def __init__(self, probes: Probes, proxies: ProxyBook, book: AccountBook) -> None:
        self._probes = probes
        self._proxies = proxies
        self._book = book
        self._probing: dict[str, asyncio.Task[None]] = {}
        self._down: set[str] = set()

    async def run(self) -> None:
        """Go on until cancelled. A silent proxy keeps no other waiting."""
        try:
            while True:
                self._proxies.news.clear()
                uses = self._probes.uses()
                self._tell(uses)
                for url, accounts in uses.items():
                    if url not in self._probing and self._proxies.standing(url).is_due():
                        probing = asyncio.create_task(self._probe(url, accounts), name=f"probe of {shown(url)}")
                        self._probing[url] = probing
                for account in self._probes.accounts():
                    await self._settle(account)
                await self._keep(uses)
                await self._pause()
        finally:
            for probing in self._probing.values():
                probing.cancel()

    async def _probe(self, url: str, accounts: list[Account]) -> None:
        try:
            await self._probes.probe(url, accounts)
        except ProxyFault as error:
            log.info("probe failed", extra={"proxy": shown(url), "cause": reason(error)})
        finally:
            del self._probing[url]
            self._proxies.news.set()

    async def _settle(self, account: Account) -> None:
        """Let the account rest, or work again, as its proxy says."""
        try:
            self._proxies.route(account.proxy, whose=account.id)
        except ProxyFault as error:
            await set_aside(self._book, account.id, error, until=None)
            return
        if self._book.get(account.id).set_aside == ProxyFault.code:
            await take_back(self._book, account.id)

    def _tell(self, urls: Collection[str]) -> None:
        down = {url for url in urls if self._proxies.standing(url).down is not None}
        for url in down - self._down:
            log.warning("proxy down", extra={"proxy": shown(url), "code": self._proxies.standing(url).down})
        for url in self._down - down:
            log.warning("proxy back", extra={"proxy": shown(url)})
        self._down = down

    async def _keep(self, urls: Collection[str]) -> None:
        spread = {account.id for account in self._probes.accounts() if self._proxies.word(account.proxy) == SPREAD}
        if self._proxies.word(None) == SPREAD:
            spread.add("")  # the server's own calls
        await self._proxies.keep(spread=spread, urls=urls)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_TICK):
                await self._proxies.news.wait()
        except TimeoutError:
            return
