"""The accounts at engines: what they are, how they are, and changing them one by one or many at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.accounts import Account
from sora2api.accounts.given import Given, forgotten
from sora2api.accounts.trying import Found, looked_at, tried
from sora2api.auth.first_start import Ending, Issued
from sora2api.errors import InvalidValue
from sora2api.web.operation import Change, Desk, Operation
from sora2api.web.operations import account_given
from sora2api.web.operations.account_given import AccountChange
from sora2api.web.operations.account_shown import (
    MOST,
    AccountPage,
    AccountsAsked,
    AccountView,
    AccountWhole,
    page,
    view,
    whole,
)
from sora2api.web.words import N_

_AT_ONCE: Final = 10
"""So many accounts are tested at a time."""
_BACK: Final = {"enabled": True, "set_aside": None, "set_aside_at": None, "rests_until": None, "checked_at": None}
_NAMED: Final = 3


class AccountId(Struct, frozen=True):
    """An account's id, or its name."""

    id: str


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


class FirstKey(Struct, frozen=True, kw_only=True):
    """What took the place of the documented defaults, told only now; *file* holds it too. No password: it was yours."""

    password: str | None
    key: str
    file: str


class Added(Struct, frozen=True, kw_only=True):
    """A new account, what its engine said, and what ended with the defaults, if it was the first."""

    account: AccountView
    found: Found
    issued: FirstKey | None = None


async def get_account(desk: Desk, asked: AccountId) -> AccountWhole:
    return await whole(desk, desk.office.accounts.named(asked.id))


async def add_account(desk: Desk, asked: Given) -> Change:
    book = desk.office.accounts
    ending, issued = await ending_of(desk)
    account = await book.add(**account_given.new(desk, asked), also=ending)
    found = await looked_at(account, proxies=desk.office.proxies, health=desk.office.health)
    added = view(desk, book.get(account.id))
    return Change(
        subject=added.name,
        value=Added(account=added, found=found, issued=first_key(issued)),
        after=_audited(desk, account),
    )


async def try_account(desk: Desk, asked: AccountChange) -> Change:
    office = desk.office
    known = office.accounts.named(asked.id) if asked.id else None
    account = account_given.trial(desk, known, asked)
    found = await tried(account, proxies=office.proxies, engines=office.engines)
    return Change(subject=found.name, value=Tested((found,)))


async def change_account(desk: Desk, asked: AccountChange) -> Change:
    account = desk.office.accounts.named(asked.id)
    changes = account_given.changes(desk, account, asked)
    return await _change(desk, account, **(changes | forgotten(changes)))


async def enable_account(desk: Desk, asked: AccountId) -> Change:
    return await _change(desk, desk.office.accounts.named(asked.id), **_BACK)


async def disable_account(desk: Desk, asked: AccountId) -> Change:
    return await _change(desk, desk.office.accounts.named(asked.id), enabled=False)


async def test_account(desk: Desk, asked: AccountId) -> Change:
    return await test_accounts(desk, AccountIds(ids=(asked.id,)))


async def remove_account(desk: Desk, asked: AccountId) -> Change:
    return await remove_accounts(desk, AccountIds(ids=(asked.id,)))


async def restore_account(desk: Desk, asked: AccountId) -> Change:
    return await restore_accounts(desk, AccountIds(ids=(asked.id,)))


async def enable_accounts(desk: Desk, asked: AccountIds) -> Change:
    return await _change_all(desk, chosen(desk, asked.ids), **_BACK)


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
    before = [_audited(desk, account) for account in accounts]
    await asyncio.gather(*(desk.office.accounts.remove(account.id) for account in accounts))
    return Change(subject=called(accounts), before=before)


async def restore_accounts(desk: Desk, asked: AccountIds) -> Change:
    """Take back accounts that were removed, by id; their names must still be free."""
    accounts = [desk.office.accounts.get(account_id) for account_id in dict.fromkeys(asked.ids)]
    for account in accounts:
        await desk.office.accounts.change(account.id, name=account.name, removed_at=None)
    restored = [desk.office.accounts.get(account.id) for account in accounts]
    value = AccountList(tuple(view(desk, account) for account in restored))
    return Change(subject=called(restored), value=value, after=[_audited(desk, account) for account in restored])


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


async def ending_of(desk: Desk) -> tuple[Callable[[AsyncConnection], Awaitable[None]], list[Issued]]:
    """The end of the defaults, to be written with the first account; and where it is told what took their place."""
    ending, issued = await Ending.prepare(desk.office.folder), []

    async def end(connection: AsyncConnection) -> None:
        issued[:] = filter(None, (await ending(connection),))

    return end, issued


def first_key(issued: Sequence[Issued]) -> FirstKey | None:
    return next((FirstKey(password=each.password, key=each.key, file=each.file.name) for each in issued), None)


async def _change(desk: Desk, account: Account, **changes: Any) -> Change:
    before = _audited(desk, account)
    account = await desk.office.accounts.change(account.id, **changes) if changes else account
    return Change(subject=account.name, value=view(desk, account), before=before, after=_audited(desk, account))


async def _change_all(desk: Desk, accounts: Sequence[Account], **changes: Any) -> Change:
    book = desk.office.accounts
    before = [_audited(desk, account) for account in accounts]
    changed = await asyncio.gather(*(book.change(account.id, **changes) for account in accounts))
    value = AccountList(tuple(view(desk, account) for account in changed))
    return Change(
        subject=called(changed), value=value, before=before, after=[_audited(desk, account) for account in changed]
    )


def _audited(desk: Desk, account: Account) -> dict[str, Any]:
    """What the audit keeps of an account: what it is set to, and whether its secrets are set."""
    shown = view(desk, account)
    kept = {name: getattr(account, name) for name in Given.__struct_fields__ if name not in account_given.SECRETS}
    addresses = {"base_url": shown.base_url, "proxy": shown.proxy}
    return kept | addresses | {name: getattr(account, name) is not None for name in account_given.SECRETS}


TABLE = (
    Operation(
        name="accounts.list",
        method="GET",
        path="/accounts",
        summary="List the accounts, with how each is",
        does=page,
        takes=AccountsAsked,
        gives=AccountPage,
    ),
    Operation(
        name="accounts.add",
        method="POST",
        path="/accounts",
        summary="Add an account, and ask its engine for its models",
        does=add_account,
        takes=Given,
        gives=Added,
        role="operator",
        done=N_("Added: {subject}."),
        shows="account_added.html",
    ),
    Operation(
        name="accounts.try",
        method="POST",
        path="/accounts/try",
        summary="Try an account as it would be, and save nothing",
        does=try_account,
        takes=AccountChange,
        gives=Tested,
        role="operator",
        done=N_("Tried: {subject}."),
        shows="account_found.html",
    ),
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
    Operation(
        name="accounts.get",
        method="GET",
        path="/accounts/{id}",
        summary="Show all of an account but its secrets",
        does=get_account,
        takes=AccountId,
        gives=AccountWhole,
    ),
    Operation(
        name="accounts.change",
        method="PATCH",
        path="/accounts/{id}",
        summary="Change an account",
        does=change_account,
        takes=AccountChange,
        gives=AccountView,
        role="operator",
        done=N_("Changed: {subject}."),
    ),
    Operation(
        name="accounts.enable",
        method="POST",
        path="/accounts/{id}/enable",
        summary="Use an account again; one that was set aside is taken back",
        does=enable_account,
        takes=AccountId,
        gives=AccountView,
        role="operator",
        done=N_("Enabled: {subject}."),
        undo="accounts.disable",
    ),
    Operation(
        name="accounts.disable",
        method="POST",
        path="/accounts/{id}/disable",
        summary="Give an account no new tasks; those that it has are followed to their end",
        does=disable_account,
        takes=AccountId,
        gives=AccountView,
        role="operator",
        done=N_("Disabled: {subject}."),
        undo="accounts.enable",
    ),
    Operation(
        name="accounts.test",
        method="POST",
        path="/accounts/{id}/test",
        summary="Ask an account's engine for its models, which costs nothing",
        does=test_account,
        takes=AccountId,
        gives=Tested,
        role="operator",
        done=N_("Tested: {subject}."),
        shows="account_found.html",
    ),
    Operation(
        name="accounts.remove",
        method="DELETE",
        path="/accounts/{id}",
        summary="Remove an account; its tasks are followed to their end",
        does=remove_account,
        takes=AccountId,
        gives=None,
        role="operator",
        done=N_("Removed: {subject}."),
        undo="accounts.restore",
    ),
    Operation(
        name="accounts.restore",
        method="POST",
        path="/accounts/{id}/restore",
        summary="Take back an account that was removed, by id",
        does=restore_account,
        takes=AccountId,
        gives=AccountList,
        role="operator",
        done=N_("Taken back: {subject}."),
    ),
)
