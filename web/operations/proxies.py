"""The listed proxies: what they are, how they are, who is on them, and changing them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from sora2api.accounts import Account
from sora2api.accounts.probes import reason
from sora2api.accounts.proxies import Proxy
from sora2api.accounts.reasons import advice, meaning
from sora2api.accounts.shown import address, proxy_of
from sora2api.errors import InvalidValue, ProxyFault
from sora2api.web.operation import Change, Desk, Nothing, Operation
from sora2api.web.operations.account_shown import Probe, in_use
from sora2api.web.words import N_

_NAMED: Final = 20


class ProxyView(Struct, frozen=True, kw_only=True):
    """A proxy without its password. *latency* in seconds; *down*: the code of what is wrong since *down_at*, and *why*.

    *accounts* is how many are on it as long as it is well, *named* the first of them; *probes* how it was of late.
    """

    id: str
    name: str
    url: str
    enabled: bool
    latency: float | None
    checked_at: float | None
    down: str | None
    down_at: float | None
    why: str | None
    accounts: int
    named: tuple[str, ...]
    probes: tuple[Probe, ...]


class ProxyList(Struct, frozen=True):
    proxies: tuple[ProxyView, ...]


class ProxyAdd(Struct, frozen=True, kw_only=True):
    """*url* begins with http, https, socks4, socks5 or socks5h, and may have a name and a password in it."""

    name: str
    url: str


class ProxyId(Struct, frozen=True):
    """A proxy's id, or its name."""

    id: str


class ProxyChange(Struct, frozen=True, kw_only=True):
    """The fields that are given are changed; a URL that is empty stays as it is."""

    id: str
    name: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


class ProxyTested(Struct, frozen=True, kw_only=True):
    """What a try found: *latency* in seconds, or the *trouble*. *account* is the one whose engine it was opened to."""

    name: str
    latency: float | None = None
    trouble: str | None = None
    account: str | None = None


class ProxySpread(Struct, frozen=True, kw_only=True):
    """Which accounts get the *proxy* (the name of a listed one, `spread`, or none: the setting default_proxy).

    Those of the *group*, or that have the proxy *of* now (`none`: none of their own); neither: all.
    """

    proxy: str | None = None
    group: str | None = None
    of: str | None = None


class ProxySpreadOver(Struct, frozen=True):
    """How many accounts have another proxy now."""

    changed: int


async def list_proxies(desk: Desk, _asked: Nothing) -> ProxyList:
    users = desk.office.proxies.users(_with_proxies(desk))
    return ProxyList(tuple(_view(proxy, users, desk) for proxy in desk.office.proxies.all()))


async def get_proxy(desk: Desk, asked: ProxyId) -> ProxyView:
    return view(desk, desk.office.proxies.named(asked.id))


async def add_proxy(desk: Desk, asked: ProxyAdd) -> Change:
    added = view(desk, await desk.office.proxies.add(asked.name, asked.url))
    return Change(subject=added.name, value=added, after=_audited(added))


async def change_proxy(desk: Desk, asked: ProxyChange) -> Change:
    changes = {name: value for name in ("name", "url") if (value := getattr(asked, name)) not in (UNSET, "")}
    proxy = desk.office.proxies.named(asked.id)
    renamed = changes.get("name", proxy.name) != proxy.name
    if renamed and (users := _naming(desk, proxy)):
        raise InvalidValue(f"{proxy.name} is named by {', '.join(users)}: its name stays.", param="name")
    if not renamed:
        changes.pop("name", None)
    return await _change(desk, proxy, **changes)


async def enable_proxy(desk: Desk, asked: ProxyId) -> Change:
    proxy = desk.office.proxies.named(asked.id)
    return await _change(desk, proxy, enabled=True, checked_at=None, down=None, down_at=None)


async def disable_proxy(desk: Desk, asked: ProxyId) -> Change:
    return await _change(desk, desk.office.proxies.named(asked.id), enabled=False)


async def remove_proxy(desk: Desk, asked: ProxyId) -> Change:
    proxy = desk.office.proxies.named(asked.id)
    if users := _naming(desk, proxy):
        raise InvalidValue(f"{proxy.name} is still named by {', '.join(users)}.", param="name")
    before = view(desk, proxy)
    await desk.office.proxies.remove(proxy.id)
    return Change(subject=before.name, before=_audited(before))


async def test_proxy(desk: Desk, asked: ProxyId) -> Change:
    proxy = desk.office.proxies.named(asked.id)
    users = desk.office.probes.uses().get(proxy.url, [])
    towards = users[0].name if users else None
    try:
        latency = await desk.office.probes.probe(proxy.url, users[:1])
    except ProxyFault as error:
        value = ProxyTested(name=proxy.name, trouble=reason(error), account=towards)
        return Change(subject=proxy.name, value=value)
    return Change(subject=proxy.name, value=ProxyTested(name=proxy.name, latency=latency, account=towards))


async def spread_accounts(desk: Desk, asked: ProxySpread) -> Change:
    if asked.proxy is not None:
        desk.office.proxies.check_word(asked.proxy)
    meant = [account for account in _with_proxies(desk) if _is_meant(account, asked) and account.proxy != asked.proxy]
    await asyncio.gather(
        *(desk.office.accounts.change(account.id, proxy=asked.proxy, checked_at=None) for account in meant)
    )
    before = {account.name: proxy_of(account) for account in meant}
    return Change(subject=str(len(meant)), value=ProxySpreadOver(len(meant)), before=before, after=asked.proxy)


async def _change(desk: Desk, proxy: Proxy, **changes: object) -> Change:
    before = view(desk, proxy)
    after = view(desk, await desk.office.proxies.change(proxy.id, **changes) if changes else proxy)
    return Change(subject=after.name, value=after, before=_audited(before), after=_audited(after))


def view(desk: Desk, proxy: Proxy) -> ProxyView:
    return _view(proxy, desk.office.proxies.users(_with_proxies(desk)), desk)


def _view(proxy: Proxy, users: Mapping[str, Sequence[Account]], desk: Desk) -> ProxyView:
    standing = desk.office.proxies.standing(proxy.url)
    on_it = users.get(proxy.id, ())
    return ProxyView(
        id=proxy.id,
        name=proxy.name,
        url=address(proxy.url),
        enabled=proxy.enabled,
        latency=standing.latency,
        checked_at=standing.checked_at or proxy.checked_at,
        down=standing.down,
        down_at=standing.down_at,
        why=None if standing.down is None else f"{meaning(standing.down)} {advice(standing.down)}",
        accounts=len(on_it),
        named=tuple(account.name for account in on_it[:_NAMED]),
        probes=tuple(Probe(at, took) for at, took in standing.probes),
    )


def _with_proxies(desk: Desk) -> list[Account]:
    return [account for account in in_use(desk) if not account.sandbox]


def _is_meant(account: Account, asked: ProxySpread) -> bool:
    if asked.group is not None and asked.group not in account.groups:
        return False
    return asked.of is None or (account.proxy or "none") == asked.of


def _naming(desk: Desk, proxy: Proxy) -> list[str]:
    """Who says that proxy's name or id."""
    words = (proxy.name, proxy.id)
    users = [
        account.name for account in desk.office.accounts.all() if not account.removed_at and account.proxy in words
    ]
    named = [*users[:_NAMED], f"{len(users) - _NAMED} more"] if len(users) > _NAMED else users
    return [*named, "the setting default_proxy"] if desk.office.proxies.word(None) in words else named


def _audited(proxy: ProxyView) -> dict[str, object]:
    return {name: getattr(proxy, name) for name in ("id", "name", "url", "enabled")}


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
        name="proxies.spread",
        method="POST",
        path="/proxies/spread",
        summary="Give many accounts a proxy, or spread them over those listed",
        does=spread_accounts,
        takes=ProxySpread,
        gives=ProxySpreadOver,
        role="operator",
        done=N_("Accounts with another proxy: {subject}."),
    ),
    Operation(
        name="proxies.get",
        method="GET",
        path="/proxies/{id}",
        summary="Show a proxy, with how it was of late",
        does=get_proxy,
        takes=ProxyId,
        gives=ProxyView,
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
        name="proxies.test",
        method="POST",
        path="/proxies/{id}/test",
        summary="Try a proxy, by opening a way through it to the engine of an account that is on it",
        does=test_proxy,
        takes=ProxyId,
        gives=ProxyTested,
        role="operator",
        done=N_("Tried: {subject}."),
        shows="proxy_tested.html",
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
