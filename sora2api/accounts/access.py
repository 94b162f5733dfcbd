"""How an account gets to its engine, as the lists of accounts and proxies have it at the moment of each call."""

from sora2api.accounts.book import AccountBook
from sora2api.accounts.proxies import ProxyBook
from sora2api.accounts.refresh import Refreshes
from sora2api.egress import Access, Route
from sora2api.errors import ProxyFault


class AccountAccess(Access):
    """The token and the way of one account. The sandbox is reached directly: it is on this machine."""

    def __init__(self, book: AccountBook, account_id: str, proxies: ProxyBook, refreshes: Refreshes) -> None:
        self._book = book
        self._account_id = account_id
        self._proxies = proxies
        self._refreshes = refreshes

    @property
    def token(self) -> str | None:
        return self._book.get(self._account_id).token

    async def renewed(self, rejected: str) -> bool:
        return await self._refreshes.renewed(self._account_id, rejected)

    def route(self) -> Route:
        account = self._book.get(self._account_id)
        return Route() if account.sandbox else self._proxies.route(account.proxy, whose=account.id)

    def blocked(self, route: Route, error: ProxyFault) -> None:
        self._proxies.blocked(route, error)
