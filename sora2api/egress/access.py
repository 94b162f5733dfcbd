"""How an account gets to its engine: the token that it shows there, and the proxy on the way."""

from typing import Protocol

from msgspec import Struct

from sora2api.egress.proxies import shown
from sora2api.errors import ProxyFault


class Route(Struct, frozen=True):
    """What a call goes through: the proxy's URL (None: direct), and its name for logs, which never has a password."""

    url: str | None = None
    name: str | None = None


class Access(Protocol):
    """How an account gets to its engine. The answers may change from call to call."""

    @property
    def token(self) -> str | None: ...

    async def renewed(self, rejected: str) -> bool:
        """Whether there is another token now than the one that the engine *rejected* (HTTP 401)."""
        ...

    def route(self) -> Route:
        """What the next call goes through. Raises `ProxyFault` where nothing can be used now."""
        ...

    def blocked(self, route: Route, error: ProxyFault) -> None:
        """A call could not get through *route*."""
        ...


class Fixed(Access):
    """A token and a proxy's URL that never change."""

    def __init__(self, token: str | None = None, *, proxy: str | None = None) -> None:
        self._token = token
        self._route = Route(proxy, None if proxy is None else shown(proxy))

    @property
    def token(self) -> str | None:
        return self._token

    async def renewed(self, rejected: str) -> bool:
        return False

    def route(self) -> Route:
        return self._route

    def blocked(self, route: Route, error: ProxyFault) -> None:
        """There is no other."""
