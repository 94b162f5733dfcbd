"""A driver for each account, made when first wanted and made anew when the account changes."""

from collections.abc import Mapping

from sora2api import drivers
from sora2api.accounts.book import Account
from sora2api.drivers import Driver
from sora2api.egress import Client, GuardedFetch, Sessions
from sora2api.errors import NoEngine


class Engines:
    """Drivers by account."""

    def __init__(
        self, kinds: Mapping[str, type[Driver]], sessions: Sessions, *, fetch: GuardedFetch, default_proxy: str
    ) -> None:
        self.kinds = kinds
        self._sessions = sessions
        self._fetch = fetch
        self._default_proxy = default_proxy or None
        self._made: dict[str, tuple[tuple[object, ...], Driver]] = {}

    def driver(self, account: Account) -> Driver:
        """The account's driver. Raises `NoEngine` where its plugin is not installed."""
        identity = (account.driver, account.base_url, account.token, account.proxy, repr(account.settings))
        known = self._made.get(account.id)
        if known is not None and known[0] == identity:
            return known[1]
        kind = self.kinds.get(account.driver)
        if kind is None:
            raise NoEngine(f"The driver {account.driver!r} of the account {account.name!r} is not installed.")
        client = Client(
            self._sessions,
            base_url=account.base_url,
            token=account.token,
            proxy=None if account.sandbox else account.proxy or self._default_proxy,
            fetch=self._fetch,
        )
        whose = drivers.Account(id=account.id, name=account.name, base_url=account.base_url, settings=account.settings)
        driver = kind(whose, client)
        self._made[account.id] = (identity, driver)
        return driver
