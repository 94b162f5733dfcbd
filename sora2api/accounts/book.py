"""The list of accounts: in memory for reading, written through to the database."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.accounts.expiry import expiry
from sora2api.drivers import EngineModel
from sora2api.errors import (
    AccountExpired,
    AccountRejected,
    ConnectFault,
    EngineFault,
    InvalidValue,
    NetworkFault,
    NotFound,
)
from sora2api.store.database import Database, Write, bump
from sora2api.store.secrets import Secrets
from sora2api.store.tables import accounts

Slot = Literal["image", "video"]

SANDBOX: Final = "sandbox"
"""The id and name of the account at the built-in sandbox."""

FAULTS: Final = frozenset(error.code for error in (EngineFault, NetworkFault, ConnectFault))
"""Why an account rests that has then to show, with one task, that it is well."""

_LOCKED_OUT: Final = frozenset(error.code for error in (AccountRejected, AccountExpired))
"""What other credentials may mend."""
_CREDENTIALS: Final = frozenset({"token", "refresh_token", "refresh_url", "client_id"})

_SEALED: Final = frozenset({"token", "proxy", "refresh_token"})

_encode = msgspec.json.encode


class Account(Struct, frozen=True, kw_only=True):
    """An account and how it is.

    *set_aside* says why it is not used: until *rests_until*, or until somebody mends it.
    """

    id: str
    name: str
    driver: str
    base_url: str
    token: str | None = None
    created_at: float
    proxy: str | None = None
    image_slots: int = 2
    video_slots: int = 2
    weight: float = 1.0
    remake_lost: bool = False
    settings: dict[str, Any] = {}
    sandbox: bool = False
    enabled: bool = True
    models: tuple[EngineModel, ...] = ()
    checked_at: float | None = None
    set_aside: str | None = None
    set_aside_at: float | None = None
    rests_until: float | None = None
    removed_at: float | None = None
    groups: tuple[str, ...] = ()
    """What API keys and models may be bound to."""
    priority: int = 0
    """Higher goes first; lower ones serve while those have no slot or are ill."""
    calls_a_minute: int | None = None
    """How often its engine may be asked how its tasks stand."""
    daily_images: int | None = None
    daily_videos: int | None = None
    """How many tasks it may be given a day (UTC)."""
    expires_at: float | None = None
    """When its token ends, where that is known."""
    refresh_token: str | None = None
    refresh_url: str | None = None
    client_id: str | None = None
    """For the refresh grant of OAuth 2 (RFC 6749, section 6)."""

    def slots(self, slot: Slot) -> int:
        return self.image_slots if slot == "image" else self.video_slots

    def daily(self, slot: Slot) -> int | None:
        return self.daily_images if slot == "image" else self.daily_videos

    def ready(self, now: float) -> bool:
        """Whether it may be given new tasks."""
        return self.enabled and self.removed_at is None and not self.rests(now) and not self.expired(now)

    def rests(self, now: float) -> bool:
        return self.set_aside is not None and (self.rests_until is None or self.rests_until > now)

    def on_trial(self, now: float) -> bool:
        """Whether its rest after faults is over, so that one task may show how it is."""
        return self.set_aside in FAULTS and not self.rests(now)

    def expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    @property
    def refreshable(self) -> bool:
        return self.refresh_url is not None and self.refresh_token is not None


Listener = Callable[[Account | None, Account], None]
"""Hears of a change of an account: how it was (None: it is new), and how it is."""


class AccountBook:
    """All accounts. `load` first; a change made by another process is seen after the next `load`."""

    def __init__(self, database: Database, vault: Secrets) -> None:
        self._database = database
        self._vault = vault
        self._accounts: dict[str, Account] = {}
        self._listeners: list[Listener] = []
        self.changes = 0
        """Grows as accounts change, by what the server finds out too; not by its merely looking at them."""
        self._loading = asyncio.Lock()
        self._meanwhile: list[tuple[str, dict[str, Any]]] = []
        """The changes committed while a load reads."""
        self.ever_real = False
        """Whether an account other than the sandbox's was ever added."""

    def listen(self, listener: Listener) -> None:
        """Have *listener* called at each change, at once, in memory."""
        self._listeners.append(listener)

    async def load(self, account_id: str | None = None) -> None:
        """Read the accounts, or that one; the removed ones too: jobs that they worked know them by id."""
        query = select(accounts).order_by(accounts.c.created_at)
        if account_id is not None:
            query = query.where(accounts.c.id == account_id)
        async with self._loading:  # one at a time, so that an older picture never lands on a newer one
            self._meanwhile = []
            async with self._database.reading() as connection:
                rows = (await connection.execute(query)).all()
            found = {row.id: self._account(row) for row in rows}
            for changed, fields in self._meanwhile:  # what was committed after these rows were read
                if changed in found:
                    found[changed] = msgspec.structs.replace(found[changed], **fields)
            self._take(found.values())

    def all(self) -> Sequence[Account]:
        return tuple(self._accounts.values())

    def get(self, account_id: str) -> Account:
        try:
            return self._accounts[account_id]
        except KeyError:
            raise NotFound(f"There is no account {account_id!r}.") from None

    def named(self, name: str) -> Account:
        """The account that is in use under this name or id."""
        for account in self._accounts.values():
            if account.removed_at is None and name in (account.id, account.name):
                return account
        raise NotFound(f"There is no account {name!r}.", param="name")

    async def add(self, *, sandbox: bool = False, also: Write[Any] | None = None, **fields: Any) -> Account:
        """A new account of these fields; *also* is written in the same transaction."""
        account_id = SANDBOX if sandbox else f"acc_{secrets.token_hex(8)}"
        account = Account(id=account_id, sandbox=sandbox, created_at=time.time(), **fields)
        await self.add_all((account,), also=also)
        return self.get(account_id)

    async def add_all(self, new: Iterable[Account], *, also: Write[Any] | None = None) -> None:
        """New accounts, in one transaction with *also*."""
        added = [_dated(account) for account in new]
        taken = _names(self.all())
        for account in added:
            if not account.sandbox:
                _check_name(account.name, taken)
            taken.add(account.name)

        async def write(connection: AsyncConnection) -> None:
            rows = [self._columns(account, account.__struct_fields__) for account in added]
            await connection.execute(insert(accounts), rows)
            await bump(connection)
            if also is not None:
                await also(connection)

        await self._database.write(write)
        self._take(added)

    def _take(self, found: Iterable[Account]) -> None:
        """Hold accounts as they are now, and tell of those that have changed."""
        changed = [(self._accounts.get(account.id), account) for account in found]
        self._accounts |= {account.id: account for _, account in changed}
        self.ever_real = any(not account.sandbox for account in self._accounts.values())
        for before, account in changed:
            if before != account:
                self._tell(before, account)

    def _tell(self, before: Account | None, account: Account) -> None:
        if before is None or msgspec.structs.replace(before, checked_at=account.checked_at) != account:
            self.changes += 1
        for listener in self._listeners:
            listener(before, account)

    async def change(self, account_id: str, **changes: Any) -> Account:
        """Change fields of an account, for other processes to hear of. Another token ends what the last one brought."""
        if "name" in changes:
            _check_name(changes["name"], _names(other for other in self.all() if other.id != account_id))
        changes = _consequences(self.get(account_id), changes) | changes
        return await self._write(account_id, changes, also=bump)

    async def note(self, account_id: str, **changes: Any) -> Account:
        """Write down what the server itself has learned of an account; that is nobody else's news."""
        return await self._write(account_id, changes, also=_nothing)

    async def _write(
        self, account_id: str, changes: dict[str, Any], *, also: Callable[[AsyncConnection], Awaitable[None]]
    ) -> Account:
        changed = msgspec.structs.replace(self.get(account_id), **changes)
        columns = self._columns(changed, changes)

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(update(accounts).where(accounts.c.id == account_id).values(**columns))
            await also(connection)

        async def commit() -> Account:
            await self._database.write(write)
            before = self.get(account_id)  # another change may have come in between
            self._accounts[account_id] = account = msgspec.structs.replace(before, **changes)
            if self._loading.locked():
                self._meanwhile.append((account_id, changes))
            if account != before:
                self._tell(before, account)
            return account

        # a caller that is cancelled does not undo the write, so memory must follow it all the same
        return await asyncio.shield(asyncio.ensure_future(commit()))

    async def remove(self, account_id: str) -> None:
        """Give it no new tasks; those it has are followed to their end."""
        if self.get(account_id).sandbox:
            raise InvalidValue("The sandbox's account comes and goes with the sandbox.", param="name")
        await self.change(account_id, removed_at=time.time())

    def _columns(self, account: Account, names: Collection[str]) -> dict[str, Any]:
        values = {name: getattr(account, name) for name in names}
        for name in _SEALED & values.keys():
            values[name] = None if values[name] is None else self._vault.seal(values[name])
        for name in {"settings", "models", "groups"} & values.keys():
            values[name] = _encode(values[name])
        return values

    def _account(self, row: Row[Any]) -> Account:
        values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
        for name in _SEALED:
            values[name] = None if values[name] is None else self._vault.unseal(values[name])
        values["settings"] = msgspec.json.decode(values["settings"])
        values["groups"] = msgspec.json.decode(values["groups"], type=tuple[str, ...])
        values["models"] = msgspec.json.decode(values["models"], type=tuple[EngineModel, ...])
        return Account(**values)


def _names(others: Iterable[Account]) -> set[str]:
    """The names that are taken."""
    return {other.name for other in others if other.removed_at is None}


def _check_name(name: str, taken: Collection[str]) -> None:
    if name in taken:
        raise InvalidValue(f"There is an account named {name!r} already.", param="name")


def _dated(account: Account) -> Account:
    """The account, with the end of its token where that can be read from it."""
    if account.expires_at is not None:
        return account
    return msgspec.structs.replace(account, expires_at=expiry(account.token))


def _consequences(account: Account, changes: dict[str, Any]) -> dict[str, Any]:
    """What changes with an account's token, or the way to one: when it ends, and what the last was set aside for."""
    further: dict[str, Any] = {"expires_at": expiry(changes["token"])} if "token" in changes else {}
    if account.set_aside in _LOCKED_OUT and changes.keys() & _CREDENTIALS:
        further |= {"set_aside": None, "set_aside_at": None, "rests_until": None, "checked_at": None}
    return further


async def _nothing(_connection: AsyncConnection) -> None:
    return
