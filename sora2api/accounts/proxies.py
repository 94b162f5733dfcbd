"""The list of proxies, and which of them an account goes through."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.egress import Route
from sora2api.egress.proxies import shown
from sora2api.errors import InvalidValue, NotFound, ProxyFault
from sora2api.store.database import Database, bump
from sora2api.store.secrets import Secrets
from sora2api.store.tables import proxies

SPREAD: Final = "spread"
"""What an account says that takes its part of the listed proxies."""


class Proxy(Struct, frozen=True, kw_only=True):
    """A listed proxy and how it is: *latency* in seconds, *down* the code of the error that set it aside."""

    id: str
    name: str
    url: str
    enabled: bool
    checked_at: float | None
    latency: float | None
    down: str | None
    down_at: float | None
    created_at: float
    removed_at: float | None

    @property
    def route(self) -> Route:
        return Route(self.url, self.name)


class ProxyBook:
    """All listed proxies. `load` first; a change made by another process is seen after the next `load`.

    *default* is for accounts that say nothing, in the same words as theirs; *failure* tells what becomes of accounts
    whose listed proxy fails.
    """

    def __init__(
        self, database: Database, vault: Secrets, *, default: str = "", failure: Literal["move", "rest"] = "move"
    ) -> None:
        self._database = database
        self._vault = vault
        self._default = default
        self._failure = failure
        self._proxies: dict[str, Proxy] = {}

    async def load(self) -> None:
        query = select(proxies).where(proxies.c.removed_at.is_(None)).order_by(proxies.c.created_at)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        self._proxies = {
            row.id: Proxy(**{**row._mapping, "url": self._vault.unseal(row.url)})  # noqa: SLF001 - its public name
            for row in rows
        }

    def all(self) -> Sequence[Proxy]:
        return tuple(self._proxies.values())

    def named(self, name: str) -> Proxy:
        """The proxy under this name or id."""
        for proxy in self._proxies.values():
            if name in (proxy.id, proxy.name):
                return proxy
        raise NotFound(f"There is no proxy {name!r}.", param="name")

    async def add(self, name: str, url: str) -> Proxy:
        self._check_name(name)
        shown(url)
        proxy = Proxy(
            id=f"prx_{secrets.token_hex(8)}",
            name=name,
            url=url,
            enabled=True,
            checked_at=None,
            latency=None,
            down=None,
            down_at=None,
            created_at=time.time(),
            removed_at=None,
        )
        columns = msgspec.structs.asdict(proxy) | {"url": self._vault.seal(url)}

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(insert(proxies).values(**columns))
            await bump(connection)

        await self._database.write(write)
        self._proxies[proxy.id] = proxy
        return proxy

    async def change(self, proxy_id: str, **changes: Any) -> Proxy:
        """Change fields of a proxy, for other processes to hear of."""
        if "name" in changes:
            self._check_name(changes["name"], but=proxy_id)
        columns = dict(changes)
        if "url" in changes:
            shown(changes["url"])
            columns["url"] = self._vault.seal(changes["url"])

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(update(proxies).where(proxies.c.id == proxy_id).values(**columns))
            await bump(connection)

        changed = msgspec.structs.replace(self.named(proxy_id), **changes)
        await self._database.write(write)
        self._proxies[proxy_id] = changed
        return changed

    async def remove(self, proxy_id: str) -> None:
        """Take a proxy off the list. Accounts that name it have none then, and so make no calls."""
        await self.change(proxy_id, removed_at=time.time())
        del self._proxies[proxy_id]

    def _check_name(self, name: str, *, but: str | None = None) -> None:
        if not name or name == SPREAD or "://" in name:
            raise InvalidValue(f"A proxy cannot be called {name!r}.", param="name")
        if any(name == proxy.name and proxy.id != but for proxy in self._proxies.values()):
            raise InvalidValue(f"There is a proxy named {name!r} already.", param="name")

    # Which one an account goes through.

    def route(self, word: str | None, *, whose: str) -> Route:
        """What the account *whose* `proxy` says *word* goes through now. Raises `ProxyFault`; never direct instead."""
        word = word or self._default
        if not word:
            return Route()
        if "://" in word:
            return Route(word, shown(word))
        try:
            return self.named(word).route
        except NotFound as error:
            raise ProxyFault(f"There is no proxy {word!r} for the account {whose}.") from error

    def blocked(self, route: Route, error: ProxyFault) -> None:
        """A call could not get through *route*."""
