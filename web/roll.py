"""What pages ask of all accounts at once, kept from one page to the next: of thousands, those that changed are read."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal

from msgspec import Struct

from sora2api.accounts import Account, AccountBook, Pool
from sora2api.accounts.lanes import Standing
from sora2api.accounts.shown import bare, proxy_of

Condition = Literal["ready", "resting", "ill", "unknown", "disabled"]


class InUse(Struct, frozen=True, kw_only=True):
    """The accounts that there are, by name, with the drivers and groups of them all.

    The sandbox's account is there only while it serves. When an account was looked at last may be out of date.
    """

    accounts: Sequence[Account]
    drivers: Sequence[str]
    groups: Sequence[str]


class Roll:
    """Follows the *book* and the *pool*: an account is read again when it has changed, or how it stands."""

    def __init__(self, book: AccountBook, pool: Pool) -> None:
        self._book = book
        self._pool = pool
        self._in_use = InUse(accounts=(), drivers=(), groups=())
        self._changes: int | None = None
        """The book's, as `_in_use` was made."""
        self._conditions: dict[str, Condition] = {}
        self._words: dict[str, str] = {}
        self._stirred = {account.id for account in book.all()}
        pool.listen(self._stirred.add)

    def in_use(self) -> InUse:
        if self._changes != self._book.changes:
            self._changes = self._book.changes
            self._in_use = _in_use(self._book, sandbox=self._pool.sandbox_in_use())
        return self._in_use

    def conditions(self) -> Mapping[str, Condition]:
        """How each account is at a glance, by id."""
        self._look()
        return self._conditions

    def words(self) -> Mapping[str, str]:
        """What each account is found by, casefolded, by id."""
        self._look()
        return self._words

    def _look(self) -> None:
        while self._stirred:
            account = self._book.get(self._stirred.pop())
            self._conditions[account.id] = condition(account, self._pool.standing)
            self._words[account.id] = _words(account)


def _in_use(book: AccountBook, *, sandbox: bool) -> InUse:
    accounts = [each for each in book.all() if each.removed_at is None and (sandbox or not each.sandbox)]
    return InUse(
        accounts=tuple(sorted(accounts, key=lambda account: account.name.casefold())),
        drivers=sorted({account.driver for account in accounts}),
        groups=sorted(set(chain.from_iterable(account.groups for account in accounts))),
    )


def condition(account: Account, standing: Standing) -> Condition:
    if not account.enabled:
        return "disabled"
    closed = standing.closed(account, "image") or standing.closed(account, "video")
    if closed is not None:
        return "ill" if closed.until is None else "resting"
    return "ready" if account.models else "unknown"


def _words(account: Account) -> str:
    return "\n".join(
        (account.name, account.id, bare(account.base_url), proxy_of(account) or "", *account.groups)
    ).casefold()
