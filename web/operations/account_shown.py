"""What is shown of accounts: as a row among many, and each by itself. Of secrets only whether they are set."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Final

from msgspec import Struct

from sora2api.accounts import Account
from sora2api.accounts.book import Slot
from sora2api.accounts.shown import bare, proxy_of, state_of
from sora2api.errors import ProxyFault
from sora2api.observe.doings import Doing, Mishap, Score
from sora2api.web.operation import Desk
from sora2api.web.roll import Condition, condition

MOST: Final = 100
_WORST_FIRST: Final[Sequence[Condition]] = ("ill", "unknown", "resting", "ready", "disabled")


class Slots(Struct, frozen=True, kw_only=True):
    """Slots of one kind: taken, and in all; and of a day's quota (None: there is none) the tasks given so far."""

    used: int
    total: int
    today: int
    daily: int | None


class AccountView(Struct, frozen=True, kw_only=True):
    """An account among others. Times are epoch seconds.

    *condition* tells at a glance what *state* (`ready`, `disabled`, `no_models` or an error's code) says, *why* and
    *until* more; an `ill` one does not come back by itself. *done* and *failed* are its tasks of the last 24 hours;
    those count for nothing that failed by no fault of its own. *latency* is its proxy's, in seconds.
    """

    id: str
    name: str
    driver: str
    base_url: str
    sandbox: bool
    enabled: bool
    condition: Condition
    state: str
    why: str | None
    until: float | None
    image: Slots
    video: Slots
    expires_at: float | None
    refreshed: bool
    proxy: str | None
    latency: float | None
    groups: tuple[str, ...]
    priority: int
    weight: float
    models: tuple[str, ...]
    used_at: float | None
    done: int
    failed: int


class Probe(Struct, frozen=True):
    """A try of a proxy, at epoch seconds; *took* is in seconds, None where it did not come through."""

    at: float
    took: float | None


class AccountWhole(Struct, frozen=True, kw_only=True):
    """All that is known of an account: how it stands, what it is set to, and what it does and did.

    *token* and *refresh_token* say whether there is one. *route* is the proxy that it goes through now, None: none;
    *probes* how that one was of late.
    """

    account: AccountView
    token: bool
    refresh_token: bool
    refresh_url: str | None
    client_id: str | None
    settings: dict[str, Any]
    remake_lost: bool
    calls_a_minute: int | None
    created_at: float
    checked_at: float | None
    route: str | None
    probes: tuple[Probe, ...]
    doing: tuple[Doing, ...]
    mishaps: tuple[Mishap, ...]


class AccountsAsked(Struct, frozen=True, kw_only=True):
    """Which accounts are wanted. *sort*: name, state, slots, priority, expires, used or success; `-name`: backwards.

    *after* and *before* are places in the list, as an answer names them.
    """

    search: str = ""
    state: Condition | None = None
    driver: str | None = None
    group: str | None = None
    sort: str = "name"
    after: int | None = None
    before: int | None = None
    limit: int = 20


class AccountPage(Struct, frozen=True, kw_only=True):
    """Some accounts. *counts* has how many there are in each condition that meet the other filters, *total* of all."""

    accounts: tuple[AccountView, ...]
    counts: dict[str, int]
    total: int
    first: int
    newer: int | None
    older: int | None


async def page(desk: Desk, asked: AccountsAsked) -> AccountPage:
    """The accounts are in memory, and how they did too: they are looked through there."""
    scores = await desk.office.doings.scores()
    conditions = desk.office.roll.conditions()
    found = _met(desk, asked)
    counts = Counter(conditions[account.id] for account in found)
    if asked.state is not None:
        found = [account for account in found if conditions[account.id] == asked.state]
    found = _sorted(desk, found, asked.sort, conditions, scores)
    size = min(max(asked.limit, 1), MOST)
    first = max(0, asked.before - size if asked.before is not None else asked.after or 0)
    shown = found[first : first + size]
    return AccountPage(
        accounts=tuple(view(desk, account, scores.get(account.id)) for account in shown),
        counts={each: counts[each] for each in _WORST_FIRST},
        total=len(found),
        first=first,
        newer=first or None,
        older=first + size if first + size < len(found) else None,
    )


async def whole(desk: Desk, account: Account) -> AccountWhole:
    office = desk.office
    route, probes = _way(desk, account)
    return AccountWhole(
        account=view(desk, account, (await office.doings.scores()).get(account.id)),
        token=account.token is not None,
        refresh_token=account.refresh_token is not None,
        refresh_url=None if account.refresh_url is None else bare(account.refresh_url),
        client_id=account.client_id,
        settings=account.settings,
        remake_lost=account.remake_lost,
        calls_a_minute=account.calls_a_minute,
        created_at=account.created_at,
        checked_at=account.checked_at,
        route=route,
        probes=probes,
        doing=tuple(await office.doings.now(account.id)),
        mishaps=tuple(await office.doings.mishaps(account.id)),
    )


def in_use(desk: Desk) -> Sequence[Account]:
    """The accounts that there are, by name; the sandbox's only while it serves."""
    return desk.office.roll.in_use().accounts


def view(desk: Desk, account: Account, score: Score | None = None) -> AccountView:
    """The account as it is; without its *score* nothing is said of what it did."""
    score = score or Score()
    state = state_of(account, desk.office.pool.standing)
    return AccountView(
        id=account.id,
        name=account.name,
        driver=account.driver,
        base_url=bare(account.base_url),
        sandbox=account.sandbox,
        enabled=account.enabled,
        condition=condition(account, desk.office.pool.standing),
        state=state.state,
        why=state.why,
        until=state.until,
        image=_slots(desk, account, "image"),
        video=_slots(desk, account, "video"),
        expires_at=account.expires_at,
        refreshed=account.refreshable,
        proxy=proxy_of(account),
        latency=_latency(desk, account),
        groups=account.groups,
        priority=account.priority,
        weight=account.weight,
        models=tuple(model.name for model in account.models),
        used_at=score.used_at,
        done=score.done,
        failed=score.failed,
    )


def _slots(desk: Desk, account: Account, slot: Slot) -> Slots:
    pool = desk.office.pool
    return Slots(
        used=pool.in_use(account.id, slot),
        total=account.slots(slot),
        today=pool.standing.daily.used(account.id, slot),
        daily=account.daily(slot),
    )


def _latency(desk: Desk, account: Account) -> float | None:
    _, probes = _way(desk, account)
    return next((probe.took for probe in reversed(probes) if probe.took is not None), None)


def _way(desk: Desk, account: Account) -> tuple[str | None, tuple[Probe, ...]]:
    """The proxy that the account is given to, and how it was of late."""
    proxies = desk.office.proxies
    if account.sandbox or not proxies.word(account.proxy):
        return None, ()
    try:
        route = proxies.assigned(account.proxy, whose=account.id)
    except ProxyFault:
        return None, ()
    if route.url is None:
        return None, ()
    return route.name, tuple(Probe(at, took) for at, took in proxies.standing(route.url).probes)


def _met(desk: Desk, asked: AccountsAsked) -> Sequence[Account]:
    """The accounts, by name, that meet what is *asked*, but for the state."""
    found = in_use(desk)
    if asked.driver:
        found = [account for account in found if account.driver == asked.driver]
    if asked.group:
        found = [account for account in found if asked.group in account.groups]
    if asked.search:
        wanted, words = asked.search.casefold(), desk.office.roll.words()
        found = [account for account in found if wanted in words[account.id]]
    return found


def _sorted(
    desk: Desk,
    accounts: Sequence[Account],
    sort: str,
    conditions: Mapping[str, Condition],
    scores: Mapping[str, Score],
) -> Sequence[Account]:
    """The *accounts*, which come by name; what is not known of them goes last."""
    worst = {condition: place for place, condition in enumerate(_WORST_FIRST)}
    busy = desk.office.pool.busy()
    none = Score()
    order: Callable[[Account], float] | None = {
        "state": lambda account: worst[conditions[account.id]],
        "used": lambda account: -(scores.get(account.id, none).used_at or 0),
        "success": lambda account: _known_first(scores.get(account.id, none).rate),
        "slots": lambda account: -busy.get(account.id, 0),
        "priority": lambda account: -account.priority,
        "expires": lambda account: _known_first(account.expires_at),
    }.get(sort.removeprefix("-"))
    if order is not None:
        return sorted(accounts, key=order, reverse=sort.startswith("-"))
    return accounts[::-1] if sort.startswith("-") else accounts


def _known_first(value: float | None) -> float:
    return inf if value is None else value
