"""What is done with many accounts at once: those that were chosen, by id or name."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from sora2api.accounts import Account
from sora2api.accounts.given import forgotten
from sora2api.accounts.shown import audited
from sora2api.accounts.trying import Found, looked_at
from sora2api.errors import InvalidValue
from sora2api.web.operation import Change, Desk, Operation
from sora2api.web.operations.account_shown import MOST, AccountView, view
from sora2api.web.words import N_

BACK: Final = {"enabled": True, "set_aside": None, "set_aside_at": None, "rests_until": None, "checked_at": None}
"""What takes an account back, whatever it was set aside for."""
_AT_ONCE: Final = 10
"""So many accounts are tested at a time."""
_NAMED: Final = 3


class AccountIds(Struct, frozen=True, kw_only=True):
    """At most 100 accounts, by id or name."""

    ids: tuple[str, ...] = ()


class ProxyAssigned(Struct, frozen=True, kw_only=True):
    """*proxy*: a proxy's URL, the name of a listed one, `spread`, or none: what the setting default_proxy says."""

    ids: tuple[str, ...] = ()
    proxy: str | None = None


class AccountList(Struct, frozen=True):
    accounts: tuple[AccountView, ...]


class Tested(Struct, frozen=True):
    """What was found at each engine."""

    found: tuple[Found, ...]


async def enable_accounts(desk: Desk, asked: AccountIds) -> Change:
    return await _change_all(desk, chosen(desk, asked.ids), **BACK)


async def disable_accounts(desk: Desk, asked: AccountIds) -> Change:
    return await _change_all(desk, chosen(desk, asked.ids), enabled=False)


async def assign_proxy(desk: Desk, asked: ProxyAssigned) -> Change:
    if asked.proxy is not None:
        desk.office.proxies.check_word(asked.proxy)
    changes = {"proxy": asked.proxy}
    return await _change_all(desk, chosen(desk, asked.ids), **(changes | forgotten(changes)))


async def test_accounts(desk: Desk, asked: AccountIds) -> Change:
    accounts, gate = chosen(desk, asked.ids), asyncio.Semaphore(_AT_ONCE)

    async def test(account: Account) -> Found:
        async with gate:
            return await looked_at(account, proxies=desk.office.proxies, health=desk.office.health)

    found = await asyncio.gather(*map(test, accounts))
    return Change(subject=called(accounts), value=Tested(tuple(found)))


async def remove_accounts(desk: Desk, asked: AccountIds) -> Change:
    accounts = chosen(desk, asked.ids)
    before = [audited(account) for account in accounts]
    await asyncio.gather(*(desk.office.accounts.remove(account.id) for account in accounts))
    return Change(subject=called(accounts), before=before)


async def restore_accounts(desk: Desk, asked: AccountIds) -> Change:
    """Take back accounts that were removed, by id; their names must still be free."""
    accounts = [desk.office.accounts.get(account_id) for account_id in dict.fromkeys(asked.ids)]
    for account in accounts:
        await desk.office.accounts.change(account.id, name=account.name, removed_at=None)
    restored = [desk.office.accounts.get(account.id) for account in accounts]
    value = AccountList(tuple(view(desk, account) for account in restored))
    return Change(subject=called(restored), value=value, after=[audited(account) for account in restored])


def chosen(desk: Desk, ids: Sequence[str]) -> list[Account]:
    """The accounts of these ids or names. Raises `InvalidValue` where there are none, or too many."""
    named = {
        word: each for each in desk.office.accounts.all() if each.removed_at is None for word in (each.name, each.id)
    }
    if not 0 < len(ids) <= MOST:
        raise InvalidValue(f"Choose between one and {MOST} accounts.", param="ids")
    unknown = next((word for word in ids if word not in named), None)
    if unknown is not None:
        raise InvalidValue(f"There is no account {unknown!r}.", param="ids")
    return list({named[word].id: named[word] for word in ids}.values())


def called(accounts: Sequence[Account]) -> str:
    names = ", ".join(account.name for account in accounts[:_NAMED])
    return names if len(accounts) <= _NAMED else f"{names} +{len(accounts) - _NAMED}"


async def _change_all(desk: Desk, accounts: Sequence[Account], **changes: Any) -> Change:
    book = desk.office.accounts
    before = [audited(account) for account in accounts]
    changed = await asyncio.gather(*(book.change(account.id, **changes) for account in accounts))
    value = AccountList(tuple(view(desk, account) for account in changed))
    return Change(subject=called(changed), value=value, before=before, after=[audited(account) for account in changed])


TABLE = (
    Operation(
        name="accounts.enable_many",
        method="POST",
        path="/accounts/enable",
        summary="Use several accounts again",
        does=enable_accounts,
        takes=AccountIds,
        gives=AccountList,
        role="operator",
        done=N_("Enabled: {subject}."),
        undo="accounts.disable_many",
    ),
    Operation(
        name="accounts.disable_many",
        method="POST",
        path="/accounts/disable",
        summary="Give several accounts no new tasks",
        does=disable_accounts,
        takes=AccountIds,
        gives=AccountList,
        role="operator",
        done=N_("Disabled: {subject}."),
        undo="accounts.enable_many",
    ),
    Operation(
        name="accounts.test_many",
        method="POST",
        path="/accounts/test",
        summary="Ask the engines of several accounts for their models",
        does=test_accounts,
        takes=AccountIds,
        gives=Tested,
        role="operator",
        done=N_("Tested: {subject}."),
        shows="account_found.html",
    ),
    Operation(
        name="accounts.assign_proxy",
        method="POST",
        path="/accounts/proxy",
        summary="Give several accounts a proxy",
        does=assign_proxy,
        takes=ProxyAssigned,
        gives=AccountList,
        role="operator",
        done=N_("Another way for: {subject}."),
    ),
    Operation(
        name="accounts.remove_many",
        method="POST",
        path="/accounts/remove",
        summary="Remove several accounts; their tasks are followed to their end",
        does=remove_accounts,
        takes=AccountIds,
        gives=None,
        role="operator",
        done=N_("Removed: {subject}."),
        undo="accounts.restore_many",
    ),
    Operation(
        name="accounts.restore_many",
        method="POST",
        path="/accounts/restore",
        summary="Take back several accounts that were removed, by id",
        does=restore_accounts,
        takes=AccountIds,
        gives=AccountList,
        role="operator",
        done=N_("Taken back: {subject}."),
    ),
)
