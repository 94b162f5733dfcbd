"""Trying proxies, by opening a way through each to an engine that it is used for."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from yarl import URL

from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.proxies import ProxyBook
from sora2api.egress import Route, probe
from sora2api.errors import ProxyFault

TIMEOUT: Final = 10.0


def reason(error: ProxyFault) -> str:
    """What the system or the proxy said; where that is nothing, as of a time-out, what the error itself says."""
    return str(error.__cause__ or "") or error.message


class Probes:
    """Which proxies are used by whom, and how they are.

    One that nobody uses is only greeted, so that no host is contacted that is not the operator's own choice.
    """

    def __init__(self, book: AccountBook, proxies: ProxyBook, *, timeout: float = TIMEOUT) -> None:
        self._book = book
        self._proxies = proxies
        self._timeout = timeout
        self._turn: Counter[str] = Counter()

    async def probe(self, url: str, accounts: Sequence[Account]) -> float:
        """Try the proxy at *url* once, for one of the *accounts* that use it: its latency. Raises `ProxyFault`."""
        standing = self._proxies.standing(url)
        self._turn[url] += 1
        towards = None
        if accounts:
            base = URL(accounts[self._turn[url] % len(accounts)].base_url)
            towards = (base.raw_host or "", base.port or 80)
        try:
            latency = await probe(url, towards=towards, timeout=self._timeout)
        except ProxyFault as error:
            standing.missed(error.code)
            raise
        standing.passed(latency)
        return latency

    def uses(self) -> dict[str, list[Account]]:
        """The proxies that are enabled or in use, by URL, each with the accounts on it as long as it is well."""
        uses: dict[str, list[Account]] = {proxy.url: [] for proxy in self._proxies.all() if proxy.enabled}
        for account in self.accounts():
            route = self._assigned(account.proxy, whose=account.id)
            if route.url is not None:
                uses.setdefault(route.url, []).append(account)
        default = self._assigned(None, whose="")
        if default.url is not None:
            uses.setdefault(default.url, [])
        return uses

    def accounts(self) -> list[Account]:
        """The accounts that make calls through proxies."""
        return [account for account in self._book.all() if account.removed_at is None and not account.sandbox]

    def _assigned(self, word: str | None, *, whose: str) -> Route:
        """The way that may be used; direct where there is no such proxy, or it is disabled."""
        try:
            route = self._proxies.assigned(word, whose=whose)
        except ProxyFault:
            return Route()
        listed = self._proxies.listed(route)
        return route if listed is None or listed.enabled else Route()
