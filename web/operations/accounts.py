"""The accounts at engines: what they are, how they are, and adding and changing them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.accounts import Account
from sora2api.accounts.given import Given, forgotten
from sora2api.accounts.shown import audited
from sora2api.accounts.trying import Found, looked_at, tried
from sora2api.auth.first_start import Ending, Issued
from sora2api.web.operation import Change, Desk, Operation
from sora2api.web.operations import account_given
from sora2api.web.operations.account_given import AccountChange
from sora2api.web.operations.account_many import (
    BACK,
    AccountIds,
    AccountList,
    Tested,
    remove_accounts,
    restore_accounts,
    test_accounts,
)
from sora2api.web.operations.account_shown import (
    AccountPage,
    AccountsAsked,
    AccountView,
    AccountWhole,
    page,
    view,
    whole,
)
from sora2api.web.words import N_


class AccountId(Struct, frozen=True):
    """An account's id, or its name."""

    id: str


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


class AccountSecrets(Struct, frozen=True, kw_only=True):
    """What is secret of an account, as it is used; the addresses with the passwords that may be in them."""

    id: str
    name: str
    token: str | None
    refresh_token: str | None
    base_url: str
    proxy: str | None


async def get_account(desk: Desk, asked: AccountId) -> AccountWhole:
    return await whole(desk, desk.office.accounts.named(asked.id))


async def add_account(desk: Desk, asked: Given) -> Change:
    book = desk.office.accounts
    ending, issued = await ending_of(desk)
    account = await book.add(**account_given.new(desk, asked), also=ending)
    found = await looked_at(account, proxies=desk.office.proxies, health=desk.office.health)
    added = Added(account=view(desk, book.get(account.id)), found=found, issued=await first_key(desk, issued))
    return Change(subject=account.name, value=added, after=audited(account))


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


async def reveal_account(desk: Desk, asked: AccountId) -> Change:
    account = desk.office.accounts.named(asked.id)
    secrets = AccountSecrets(**{name: getattr(account, name) for name in AccountSecrets.__struct_fields__})
    return Change(subject=account.name, value=secrets)


async def enable_account(desk: Desk, asked: AccountId) -> Change:
    return await _change(desk, desk.office.accounts.named(asked.id), **BACK)


async def disable_account(desk: Desk, asked: AccountId) -> Change:
    return await _change(desk, desk.office.accounts.named(asked.id), enabled=False)


async def test_account(desk: Desk, asked: AccountId) -> Change:
    return await test_accounts(desk, AccountIds(ids=(asked.id,)))


async def remove_account(desk: Desk, asked: AccountId) -> Change:
    return await remove_accounts(desk, AccountIds(ids=(asked.id,)))


async def restore_account(desk: Desk, asked: AccountId) -> Change:
    return await restore_accounts(desk, AccountIds(ids=(asked.id,)))


async def ending_of(desk: Desk) -> tuple[Callable[[AsyncConnection], Awaitable[None]], list[Issued]]:
    """The end of the defaults, to be written with the first account; and where it is told what took their place."""
    ending = await Ending.prepare(desk.office.folder)
    issued: list[Issued] = []

    async def end(connection: AsyncConnection) -> None:
        issued[:] = filter(None, (await ending(connection),))

    return end, issued


async def first_key(desk: Desk, issued: Sequence[Issued]) -> FirstKey | None:
    """What is told of the end of the defaults, if this was it; the key holds from now on."""
    for each in issued:
        await desk.office.keys.load()
        return FirstKey(password=each.password, key=each.key, file=each.file.name)
    return None


async def _change(desk: Desk, account: Account, **changes: Any) -> Change:
    before = audited(account)
    account = await desk.office.accounts.change(account.id, **changes) if changes else account
    return Change(subject=account.name, value=view(desk, account), before=before, after=audited(account))


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
        name="accounts.reveal",
        method="POST",
        path="/accounts/{id}/reveal",
        summary="Show what is secret of an account",
        does=reveal_account,
        takes=AccountId,
        gives=AccountSecrets,
        role="administrator",
        done=N_("Shown: the secrets of {subject}."),
        shows="account_secrets.html",
        proven=True,
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
