"""The list of proxies, and which of them an account goes through."""

import asyncio
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.accounts.book import Account
from sora2api.accounts.spread import Spread
from sora2api.accounts.standing import LONGEST, Standing
from sora2api.egress import Route
from sora2api.egress.proxies import shown
from sora2api.errors import InvalidValue, NotFound, ProxyFault
from sora2api.store.database import Database, bump
from sora2api.store.secrets import Secrets
from sora2api.store.tables import proxies

SPREAD: Final = "spread"
"""What an account says that takes its part of the listed proxies."""
_WORDS: Final = frozenset({"", "none", SPREAD})
_LONGEST_NAME: Final = 100


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
    whose listed proxy fails. How a proxy is stands with its URL, so that it is known of those that are not listed too.
    """

    def __init__(
        self, database: Database, vault: Secrets, *, default: str = "", failure: Literal["move", "rest"] = "move"
    ) -> None:
        self._database = database
        self._vault = vault
        self._default = default
        self._failure = failure
        self._proxies: dict[str, Proxy] = {}
        self._standings: dict[str, Standing] = {}
        self._spread = Spread(database)
        self._loading = asyncio.Lock()
        self.news = asyncio.Event()
        """Set when a call was blocked."""

    async def load(self) -> None:
        query = select(proxies).where(proxies.c.removed_at.is_(None)).order_by(proxies.c.created_at)
        async with self._loading:  # one at a time, so that an older picture never lands on a newer one
            async with self._database.reading() as connection:
                rows = (await connection.execute(query)).all()
            await self._spread.load()
            self._take(rows)

    def _take(self, rows: Iterable[Row[Any]]) -> None:
        self._proxies = {
            row.id: Proxy(**{**row._mapping, "url": self._vault.unseal(row.url)})  # noqa: SLF001 - its public name
            for row in rows
        }
        for proxy in self._proxies.values():
            if not proxy.enabled:
                self._standings.pop(proxy.url, None)
            elif proxy.url not in self._standings:
                self._standings[proxy.url] = Standing(latency=proxy.latency, down=proxy.down, down_at=proxy.down_at)

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
        _check_url(url)
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
        await self.load()
        return proxy

    async def change(self, proxy_id: str, **changes: Any) -> Proxy:
        """Change fields of a proxy, for other processes to hear of."""
        if "name" in changes:
            self._check_name(changes["name"], but=proxy_id)
        columns = dict(changes)
        if "url" in changes:
            _check_url(changes["url"])
            columns["url"] = self._vault.seal(changes["url"])

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(update(proxies).where(proxies.c.id == proxy_id).values(**columns))
            await bump(connection)

        changed = msgspec.structs.replace(self.named(proxy_id), **changes)
        await self._database.write(write)
        await self.load()
        return changed

    async def remove(self, proxy_id: str) -> None:
        """Take a proxy off the list. Accounts that name it have none then, and so make no calls."""
        await self.change(proxy_id, removed_at=time.time())

    def _check_name(self, name: str, *, but: str | None = None) -> None:
        if name in _WORDS or "://" in name or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise InvalidValue(f"A proxy cannot be called {name!r}.", param="name")
        if any(name == proxy.name and proxy.id != but for proxy in self._proxies.values()):
            raise InvalidValue(f"There is a proxy named {name!r} already.", param="name")

    # Which one an account goes through.

    def check_word(self, word: str) -> None:
        """Raise `InvalidValue` unless an account's `proxy` can be *word*."""
        if "://" in word:
            shown(word)
        elif word != SPREAD and not any(word in (proxy.id, proxy.name) for proxy in self._proxies.values()):
            raise InvalidValue(f"{word!r} is neither a proxy's URL, nor the name of a listed one.", param="proxy")

    def word(self, given: str | None) -> str:
        """What an account says that was *given* this word, or none; empty: it goes direct."""
        return given or self._default

    def default_route(self) -> Route:
        """What calls go through that are made for no account."""
        return self.route(None, whose="")

    def route(self, word: str | None, *, whose: str) -> Route:
        """What the account *whose* `proxy` says *word* goes through now. Raises `ProxyFault`; never direct instead."""
        own = self.assigned(word, whose=whose)
        if own.url is None or self._well(own.url):
            self._spread.home(whose)
            return own
        listed = self.listed(own)
        if listed is not None and self._failure == "move":
            choices = [proxy.id for proxy in self._enabled() if self._well(proxy.url)]
            other = self._spread.other(whose, choices)
            if other is not None:
                return self._proxies[other].route
        standing = self._standings.get(own.url)
        raise ProxyFault(
            f"The proxy {own.name} is not well; nothing was sent.",
            retry_after=LONGEST if standing is None else standing.wait(),
        )

    def assigned(self, word: str | None, *, whose: str) -> Route:
        """What the account goes through as long as that is well. Raises `ProxyFault` where there is no such proxy."""
        word = self.word(word)
        if not word:
            return Route()
        if "://" in word:
            return Route(word, shown(word))
        if word != SPREAD:
            try:
                return self.named(word).route
            except NotFound as error:
                raise ProxyFault(f"There is no proxy {word!r}; nothing was sent.", retry_after=LONGEST) from error
        own = self._spread.own(whose, [proxy.id for proxy in self._enabled()])
        if own is None:
            raise ProxyFault("There is no proxy to spread over; nothing was sent.", retry_after=LONGEST)
        return self._proxies[own].route

    def listed(self, route: Route) -> Proxy | None:
        """The listed proxy that *route* is, if it is one."""
        return next((proxy for proxy in self._proxies.values() if proxy.route == route), None)

    def users(self, accounts: Iterable[Account]) -> dict[str, list[Account]]:
        """Which of the *accounts* are on each listed proxy, by its id, as long as that is well."""
        by_word = {word: proxy.id for proxy in self.all() for word in (proxy.name, proxy.id)}
        enabled = {proxy.id for proxy in self._enabled()}
        users: dict[str, list[Account]] = {proxy.id: [] for proxy in self.all()}
        for account in accounts:
            word = self.word(account.proxy)
            own = self._spread.own(account.id, enabled) if word == SPREAD else by_word.get(word)
            if own is not None:
                users[own].append(account)
        return users

    def _enabled(self) -> list[Proxy]:
        return [proxy for proxy in self._proxies.values() if proxy.enabled]

    def _well(self, url: str) -> bool:
        """Whether calls may go through the proxy at *url*: it is not quarantined, and not disabled."""
        if any(proxy.url == url and not proxy.enabled for proxy in self._proxies.values()):
            return False
        standing = self._standings.get(url)
        return standing is None or standing.down is None

    # How they are.

    def standing(self, url: str) -> Standing:
        return self._standings.setdefault(url, Standing())

    def blocked(self, route: Route, error: ProxyFault) -> None:
        """A call could not get through *route*."""
        if route.url is not None:
            self.standing(route.url).blocked(error.code)
            self.news.set()

    async def keep(self, *, spread: Collection[str], urls: Collection[str]) -> None:
        """Write down how listed proxies are, and which one each account that is *spread* has.

        Of those that are not listed, only the *urls* that are in use stay known.
        """
        await self._spread.keep(spread)
        for proxy in self.all():
            await self._note(proxy)
        known = {proxy.url for proxy in self._proxies.values()}.union(urls)
        self._standings = {url: standing for url, standing in self._standings.items() if url in known}

    async def _note(self, proxy: Proxy) -> None:
        standing = self._standings.get(proxy.url)
        if standing is None or standing.checked_at is None:
            return
        now = {name: getattr(standing, name) for name in ("checked_at", "latency", "down", "down_at")}
        if all(getattr(proxy, name) == value for name, value in now.items()):
            return

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(update(proxies).where(proxies.c.id == proxy.id).values(**now))

        await self._database.write(write)
        if proxy.id in self._proxies:
            self._proxies[proxy.id] = msgspec.structs.replace(self._proxies[proxy.id], **now)


def _check_url(url: str) -> None:
    """Raise `InvalidValue`, of the field that it stands in, where it is no proxy's."""
    try:
        shown(url)
    except InvalidValue as error:
        raise InvalidValue(error.message, param="url") from error
