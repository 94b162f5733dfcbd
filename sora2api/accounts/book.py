"""The list of accounts: in memory for reading, written through to the database."""

import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.drivers import EngineModel
from sora2api.errors import InvalidValue, NotFound
from sora2api.store.database import Database, Write, bump
from sora2api.store.secrets import Secrets
from sora2api.store.tables import accounts

Slot = Literal["image", "video"]

SANDBOX: Final = "sandbox"
"""The id and name of the account at the built-in sandbox."""

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
    token: str | None
    proxy: str | None
    image_slots: int
    video_slots: int
    weight: float
    remake_lost: bool
    settings: dict[str, Any]
    sandbox: bool
    enabled: bool
    models: tuple[EngineModel, ...]
    checked_at: float | None
    set_aside: str | None
    set_aside_at: float | None
    rests_until: float | None
    created_at: float
    removed_at: float | None
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

    def ready(self, now: float) -> bool:
        """Whether it may be given new tasks."""
        rests = self.set_aside is not None and (self.rests_until is None or self.rests_until > now)
        return self.enabled and self.removed_at is None and not rests


class AccountBook:
    """All accounts. `load` first; a change made by another process is seen after the next `load`."""

    def __init__(self, database: Database, vault: Secrets) -> None:
        self._database = database
        self._vault = vault
        self._accounts: dict[str, Account] = {}
        self.ever_real = False
        """Whether an account other than the sandbox's was ever added."""

    async def load(self) -> None:
        """Read the accounts, the removed ones too: jobs that they worked know them by id."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(accounts).order_by(accounts.c.created_at))).all()
        self._accounts = {row.id: self._account(row) for row in rows}
        self.ever_real = any(not account.sandbox for account in self._accounts.values())

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

    async def add(
        self,
        *,
        name: str,
        driver: str,
        base_url: str,
        token: str | None,
        proxy: str | None = None,
        image_slots: int = 2,
        video_slots: int = 2,
        weight: float = 1.0,
        remake_lost: bool = False,
        settings: dict[str, Any] | None = None,
        sandbox: bool = False,
        also: Write[Any] | None = None,
    ) -> Account:
        """A new account; *also* is written in the same transaction."""
        if not sandbox and any(known.name == name and known.removed_at is None for known in self._accounts.values()):
            raise InvalidValue(f"There is an account named {name!r} already.", param="name")
        account = Account(
            id=SANDBOX if sandbox else f"acc_{secrets.token_hex(8)}",
            name=name,
            driver=driver,
            base_url=base_url,
            token=token,
            proxy=proxy,
            image_slots=image_slots,
            video_slots=video_slots,
            weight=weight,
            remake_lost=remake_lost,
            settings=settings or {},
            sandbox=sandbox,
            enabled=True,
            models=(),
            checked_at=None,
            set_aside=None,
            set_aside_at=None,
            rests_until=None,
            created_at=time.time(),
            removed_at=None,
        )

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(insert(accounts).values(**self._columns(account, account.__struct_fields__)))
            await bump(connection)
            if also is not None:
                await also(connection)

        await self._database.write(write)
        self._accounts[account.id] = account
        self.ever_real = self.ever_real or not sandbox
        return account

    async def change(self, account_id: str, **changes: Any) -> Account:
        """Change fields of an account, for other processes to hear of."""
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

        await self._database.write(write)
        # another change may have come in between
        self._accounts[account_id] = msgspec.structs.replace(self.get(account_id), **changes)
        return self._accounts[account_id]

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


async def _nothing(_connection: AsyncConnection) -> None:
    return
