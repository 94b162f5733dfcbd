"""A driver for each account, made when first wanted and made anew when the account's engine or settings change."""

from collections.abc import Mapping

from msgspec import ValidationError

from sora2api import drivers
from sora2api.accounts.access import AccountAccess
from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.proxies import ProxyBook
from sora2api.accounts.refresh import Refreshes
from sora2api.drivers import Driver
from sora2api.egress import Client, Fixed, GuardedFetch, Sessions, Trace
from sora2api.egress.trace import untraced
from sora2api.errors import InvalidValue, NoEngine


class Engines:
    """Drivers by account."""

    def __init__(
        self,
        kinds: Mapping[str, type[Driver]],
        sessions: Sessions,
        *,
        book: AccountBook,
        proxies: ProxyBook,
        fetch: GuardedFetch,
        trace: Trace = untraced,
    ) -> None:
        self.kinds = kinds
        self._sessions = sessions
        self._book = book
        self._proxies = proxies
        self._fetch = fetch
        self._trace = trace
        self.refreshes = Refreshes(book, sessions, proxies, trace=trace)
        self._made: dict[str, tuple[tuple[object, ...], Driver]] = {}

    def driver(self, account: Account) -> Driver:
        """The account's driver. Raises `NoEngine` where its plugin is not installed, or does not take its settings."""
        # token and proxy are asked for at each call, so that a driver outlives them
        identity = (account.driver, account.base_url, repr(account.settings))
        known = self._made.get(account.id)
        if known is not None and known[0] == identity:
            return known[1]
        try:
            driver = self._made_for(account, self._client(account))
        except (InvalidValue, ValidationError) as error:  # as another version of the driver may have taken them
            raise NoEngine(f"The settings of the account {account.name!r} are not its driver's: {error}") from error
        self._made[account.id] = (identity, driver)
        return driver

    def _client(self, account: Account) -> Client:
        return Client(
            self._sessions,
            base_url=account.base_url,
            access=AccountAccess(self._book, account.id, self._proxies, self.refreshes),
            fetch=self._fetch,
            trace=self._trace,
            account=account.id,
        )

    def trial(self, account: Account) -> Driver:
        """A driver for an account as it may become, with the token and the proxy that it has here."""
        access = Fixed(account.token, proxy=self._proxies.route(account.proxy, whose="").url)
        return self._made_for(account, Client(self._sessions, base_url=account.base_url, access=access))

    def _made_for(self, account: Account, client: Client) -> Driver:
        kind = self.kinds.get(account.driver)
        if kind is None:
            raise NoEngine(f"The driver {account.driver!r} of the account {account.name!r} is not installed.")
        whose = drivers.Account(id=account.id, name=account.name, base_url=account.base_url, settings=account.settings)
        return kind(whose, client)
