"""The listed proxies: what they are, how they are, and changing them."""

from msgspec import UNSET, Struct, UnsetType

from sora2api.accounts.proxies import Proxy
from sora2api.web.operation import Change, Desk, Nothing, Operation
from sora2api.web.words import N_


class ProxyView(Struct, frozen=True, kw_only=True):
    """A proxy without its password. *latency* is in seconds, *down* the code of what is wrong, since *down_at*."""

    id: str
    name: str
    url: str
    enabled: bool
    latency: float | None
    checked_at: float | None
    down: str | None
    down_at: float | None
    accounts: tuple[str, ...]


class ProxyList(Struct, frozen=True):
    proxies: tuple[ProxyView, ...]


class ProxyAdd(Struct, frozen=True, kw_only=True):
    """*url* begins with http, https, socks4, socks5 or socks5h, and may have a name and a password in it."""

    name: str
    url: str


class ProxyId(Struct, frozen=True):
    id: str


class ProxyChange(Struct, frozen=True, kw_only=True):
    """The fields that are given are changed."""

    id: str
    name: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


async def list_proxies(desk: Desk, _asked: Nothing) -> ProxyList:
    return ProxyList(tuple(view(desk, proxy) for proxy in desk.office.proxies.all()))


async def add_proxy(desk: Desk, asked: ProxyAdd) -> Change:
    added = view(desk, await desk.office.proxies.add(asked.name, asked.url))
    return Change(subject=added.name, value=added, after=added)


async def change_proxy(desk: Desk, asked: ProxyChange) -> Change:
    changes = {name: value for name in ("name", "url") if (value := getattr(asked, name)) is not UNSET}
    return await _change(desk, asked.id, **changes)


async def enable_proxy(desk: Desk, asked: ProxyId) -> Change:
    return await _change(desk, asked.id, enabled=True, checked_at=None, down=None, down_at=None)


async def disable_proxy(desk: Desk, asked: ProxyId) -> Change:
    return await _change(desk, asked.id, enabled=False)


async def remove_proxy(desk: Desk, asked: ProxyId) -> Change:
    before = view(desk, desk.office.proxies.named(asked.id))
    await desk.office.proxies.remove(before.id)
    return Change(subject=before.name, before=before)


async def _change(desk: Desk, proxy_id: str, **changes: object) -> Change:
    book = desk.office.proxies
    before = view(desk, book.named(proxy_id))
    after = view(desk, await book.change(before.id, **changes))
    return Change(subject=after.name, value=after, before=before, after=after)


def view(desk: Desk, proxy: Proxy) -> ProxyView:
    on_it = (
        account.name
        for account in desk.office.accounts.all()
        if account.removed_at is None and desk.office.proxies.word(account.proxy) == proxy.name
    )
    return ProxyView(
        id=proxy.id,
        name=proxy.name,
        url=proxy.route.name or "",
        enabled=proxy.enabled,
        latency=proxy.latency,
        checked_at=proxy.checked_at,
        down=proxy.down,
        down_at=proxy.down_at,
        accounts=tuple(on_it),
    )


TABLE = (
    Operation(
        name="proxies.list",
        method="GET",
        path="/proxies",
        summary="List the proxies",
        does=list_proxies,
        gives=ProxyList,
    ),
    Operation(
        name="proxies.add",
        method="POST",
        path="/proxies",
        summary="List a proxy under a name",
        does=add_proxy,
        takes=ProxyAdd,
        gives=ProxyView,
        role="operator",
        done=N_("{subject} is listed."),
    ),
    Operation(
        name="proxies.change",
        method="PATCH",
        path="/proxies/{id}",
        summary="Change a proxy",
        does=change_proxy,
        takes=ProxyChange,
        gives=ProxyView,
        role="operator",
        done=N_("{subject} is changed."),
    ),
    Operation(
        name="proxies.enable",
        method="POST",
        path="/proxies/{id}/enable",
        summary="Use a proxy again",
        does=enable_proxy,
        takes=ProxyId,
        gives=ProxyView,
        role="operator",
        done=N_("{subject} is used again."),
        undo="proxies.disable",
    ),
    Operation(
        name="proxies.disable",
        method="POST",
        path="/proxies/{id}/disable",
        summary="Send nothing more through a proxy",
        does=disable_proxy,
        takes=ProxyId,
        gives=ProxyView,
        role="operator",
        done=N_("{subject} is not used any more."),
        undo="proxies.enable",
    ),
    Operation(
        name="proxies.remove",
        method="DELETE",
        path="/proxies/{id}",
        summary="Take a proxy off the list",
        does=remove_proxy,
        takes=ProxyId,
        gives=None,
        role="operator",
        done=N_("{subject} is off the list."),
    ),
)
