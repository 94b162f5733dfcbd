"""Bringing rows in: what each of them will do is known, and told, before anything is written."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from yarl import URL

from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.exchange.reading import Row
from sora2api.accounts.given import checked, forgotten
from sora2api.drivers import Driver
from sora2api.errors import InvalidValue
from sora2api.store.database import Write

Result = Literal["added", "updated", "skipped", "failed"]
Identity = tuple[str, str, str]

_TICK: Final = 1e-6
"""The time between two new accounts, so that they keep the order of their rows."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a row, and *why* (for one that came in: what is to be known of it)."""

    row: int
    name: str | None
    result: Result
    why: str | None = None


class Plan:
    """What the rows of a file will change in the *book*. `take` each, then `carry_out`.

    An account is known by driver, base URL and token, or by its name; it is left as it is, unless *update*. A row
    without a name is called *prefix* and a number; without *prefix*, after its engine's host.
    """

    def __init__(
        self,
        book: AccountBook,
        drivers: Mapping[str, type[Driver]],
        *,
        check_proxy: Callable[[str], object],
        prefix: str | None = None,
        update: bool = False,
    ) -> None:
        self._book = book
        self._drivers = drivers
        self._check_proxy = check_proxy
        self._prefix = prefix
        self._update = update
        self._began_at = time.time()
        self._new: dict[str, Account] = {}
        self._changes: dict[str, dict[str, Any]] = {}
        self._numbers: dict[str, int] = {}
        self._by_name: dict[str, Account] = {}
        self._by_identity: dict[Identity, Account] = {}
        for account in book.all():
            if account.removed_at is None:
                self._know(account)

    def take(self, row: Row) -> Outcome:
        """Plan for a row, after those that were taken before."""
        name = row.fields.get("name")
        if row.trouble is not None:
            return Outcome(row=row.number, name=None, result="failed", why=row.trouble)
        try:
            fields = checked(row.fields, self._drivers, check_proxy=self._check_proxy)
            known = self._known(fields, by_name=bool(name))
            if known is None:
                return self._add(row, fields, named=bool(name))
            return self._change(row, known, fields if name else {**fields, "name": known.name})
        except InvalidValue as error:
            return Outcome(
                row=row.number, name=name if isinstance(name, str) else None, result="failed", why=str(error)
            )

    async def carry_out(self, *, also: Write[Any] | None = None) -> None:
        """Write what was planned: all that is new in one transaction, with *also*; then what is changed."""
        if self._new:
            await self._book.add_all(self._new.values(), also=also)
        # A name may be one that the change before has left, so those wait for each other; the rest share transactions.
        renamed = [account_id for account_id, changes in self._changes.items() if "name" in changes]
        for account_id in renamed:
            await self._book.change(account_id, **self._changes.pop(account_id))
        await asyncio.gather(
            *(self._book.change(account_id, **changes) for account_id, changes in self._changes.items())
        )

    def _known(self, fields: Mapping[str, Any], *, by_name: bool) -> Account | None:
        identity = _identity(fields["driver"], fields["base_url"], fields.get("token"))
        if identity is not None and identity in self._by_identity:
            return self._by_identity[identity]
        return self._by_name.get(fields["name"]) if by_name else None

    def _add(self, row: Row, fields: dict[str, Any], *, named: bool) -> Outcome:
        if not named:
            fields["name"] = self._free_name(fields["base_url"])
        created_at = self._began_at + len(self._new) * _TICK
        account = Account(id=f"acc_{secrets.token_hex(8)}", created_at=created_at, **fields)
        self._new[account.id] = account
        self._know(account)
        return Outcome(row=row.number, name=account.name, result="added", why=row.note)

    def _change(self, row: Row, known: Account, fields: Mapping[str, Any]) -> Outcome:
        if known.sandbox:
            raise InvalidValue("That is the name of the built-in sandbox's account.", param="name")
        if not self._update:
            same_token = fields.get("token") is not None and fields["token"] == known.token
            why = f"Its token is that of {known.name}." if same_token else "There is an account of this name."
            return Outcome(row=row.number, name=fields["name"], result="skipped", why=why)
        given = {name: fields[name] for name in (*row.fields, "name") if name not in row.new_only}
        changes = {name: value for name, value in given.items() if value != getattr(known, name)}
        if self._by_name.get(fields["name"], known).id != known.id:
            raise InvalidValue(f"It is {known.name} already, and another account has the name.", param="name")
        if not changes:
            return Outcome(row=row.number, name=known.name, result="skipped", why="Nothing differs.")
        account = msgspec.structs.replace(known, **changes)
        if account.id in self._new:
            self._new[account.id] = account
        else:
            self._changes[account.id] = self._changes.get(account.id, {}) | changes | forgotten(changes)
        self._forget(known)
        self._know(account)
        return Outcome(row=row.number, name=account.name, result="updated", why=", ".join(sorted(changes)))

    def _free_name(self, base_url: str) -> str:
        prefix = self._prefix or URL(base_url).host or ""
        while True:
            self._numbers[prefix] = number = self._numbers.get(prefix, 0) + 1
            if f"{prefix}-{number}" not in self._by_name:
                return f"{prefix}-{number}"

    def _know(self, account: Account) -> None:
        self._by_name[account.name] = account
        identity = _identity(account.driver, account.base_url, account.token)
        if identity is not None:
            self._by_identity[identity] = account

    def _forget(self, account: Account) -> None:
        self._by_name.pop(account.name, None)
        identity = _identity(account.driver, account.base_url, account.token)
        if identity is not None:
            self._by_identity.pop(identity, None)


def _identity(driver: str, base_url: str, token: str | None) -> Identity | None:
    """Whose credential it is, and where; None where there is no credential to tell."""
    return None if token is None else (driver, base_url.rstrip("/"), token)
