"""How an account is, by the types of the errors that its engine answers with."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Final

from sora2api.accounts.aside import set_aside, take_back
from sora2api.accounts.book import FAULTS, Account, AccountBook
from sora2api.accounts.clock import WallClock
from sora2api.accounts.engines import Engines
from sora2api.accounts.pool import Pool
from sora2api.errors import (
    AccountExpired,
    AccountRejected,
    ConnectFault,
    EngineBusy,
    EngineError,
    EngineFault,
    NetworkFault,
    NoEngine,
    NotFound,
    NotServedHere,
    ProxyFault,
    QuotaExhausted,
    RateLimited,
)

log = logging.getLogger(__name__)

_FAULTS_IN_A_ROW: Final = 3
_REST: Final = {RateLimited: 30.0, QuotaExhausted: 3600.0, EngineBusy: 5.0}
_UNREACHED: Final = frozenset(error.code for error in (NetworkFault, ConnectFault))
"""What is over as soon as the engine answers; any other rest is sat out."""
_FIRST_REST: Final = 15.0
_LONGEST_REST: Final = 600.0
_CHECK_EVERY: Final = 300.0
_CHECK_AGAIN: Final = 5.0
_TICK: Final = 0.5


class Health:
    """Sets accounts aside and takes them back, renews tokens, and looks at who was not asked for a while."""

    def __init__(self, book: AccountBook, engines: Engines, pool: Pool) -> None:
        self._book = book
        self._engines = engines
        self._pool = pool
        self._faults: Counter[str] = Counter()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, str] = {}

    async def well(self, account_id: str) -> None:
        """The engine did a task as it should."""
        self._faults.pop(account_id, None)
        account = self._book.get(account_id)
        if account.set_aside not in (None, AccountExpired.code) and not _must_rest(account):
            await take_back(self._book, account_id)

    async def note(self, account_id: str, error: EngineError, *, model: str) -> None:
        """An engine answered with *error* to work for the public *model*.

        A client's fault is never held against an account, nor is a proxy's.
        """
        if isinstance(error, NotServedHere):
            self._pool.unserved(account_id, model, until=time.time() + _LONGEST_REST)
        elif isinstance(error, AccountRejected):
            await set_aside(self._book, account_id, error, until=None)
        elif isinstance(error, RateLimited | QuotaExhausted | EngineBusy):
            until = time.time() + (error.retry_after or _REST[type(error)])
            await set_aside(self._book, account_id, error, until=until)
        elif isinstance(error, ProxyFault):
            if error.retry_after is not None:  # said before anything was tried: nothing gets through now
                await set_aside(self._book, account_id, error, until=None)
        elif isinstance(error, EngineFault | NetworkFault):
            await self._fault(account_id, error)

    async def _fault(self, account_id: str, error: EngineError) -> None:
        """Some in a row open the circuit; after the rest one task closes it, or opens it for twice as long."""
        account, now = self._book.get(account_id), time.time()
        if account.rests(now):
            return  # it was begun before
        self._faults[account_id] += 1
        if account.on_trial(now):
            last = (account.rests_until or now) - (account.set_aside_at or now)
            rest = min(_LONGEST_REST, max(_FIRST_REST, 2 * last))
        elif self._faults[account_id] >= _FAULTS_IN_A_ROW:
            rest = _FIRST_REST
        else:
            return
        self._faults.pop(account_id)
        await set_aside(self._book, account_id, error, until=now + rest)

    # Looking at accounts.

    async def check(self, account: Account) -> Account:
        """Ask the engine for its models; one that was not reached, or not let in, is well again when it answers.

        Returns the account as it is then. Raises what the engine answers.
        """
        try:
            driver = self._engines.driver(account)
            models = await driver.check()
            ends = await driver.expires_at()
        except (EngineError, NoEngine) as error:
            await self._book.note(account.id, checked_at=time.time())
            if isinstance(error, AccountRejected):
                await set_aside(self._book, account.id, error, until=None)
            raise
        told = {} if ends is None else {"expires_at": ends}
        account = await self._book.note(account.id, models=tuple(models), checked_at=time.time(), **told)
        if account.set_aside in _UNREACHED or (account.set_aside == AccountRejected.code):
            await take_back(self._book, account.id)
        return self._book.get(account.id)

    async def keep_checking(self) -> None:
        """Look at each account now and then, and more often at one whose models are not known. Ends when cancelled.

        A silent engine keeps nobody else waiting.
        """
        clock = WallClock()
        try:
            while True:
                if moved := clock.moved():
                    await self._follow_clock(moved)
                for account in self._book.all():
                    await self._see_to(account)
                self._pool.look_again()  # somebody's rest may be over
                await asyncio.sleep(_TICK)
        finally:
            for busy in tuple(self._busy.values()):
                busy.cancel()

    async def _follow_clock(self, moved: float) -> None:
        """The wall clock was set: who rests goes on resting for as long as was left."""
        log.warning("the wall clock was set", extra={"seconds": round(moved)})
        moments = ("rests_until", "set_aside_at", "checked_at")
        for account in self._book.all():
            known = {name: at for name in moments if (at := getattr(account, name)) is not None}
            await self._book.note(account.id, **{name: at + moved for name, at in known.items()})

    async def _see_to(self, account: Account) -> None:
        """Do what is due for an account."""
        now = time.time()
        used = account.enabled and account.removed_at is None
        if (used or self._holds(account)) and self._engines.refreshes.due(account):
            self._begin(account, self._engines.refreshes.refresh(account.id))
        elif not used:
            return
        elif account.expired(now) and not account.refreshable and account.set_aside != AccountExpired.code:
            await set_aside(self._book, account.id, AccountExpired(), until=None)
        elif _returns(account, now):
            await take_back(self._book, account.id)
        elif _due(account, now):
            self._begin(account, self.check(account))

    def _holds(self, account: Account) -> bool:
        """Whether it has tasks, which are followed to their end even if it is not used any more."""
        return bool(self._pool.in_use(account.id, "image") or self._pool.in_use(account.id, "video"))

    def _begin(self, account: Account, work: Coroutine[None, None, object]) -> None:
        if account.id in self._busy:
            work.close()
        else:
            self._busy[account.id] = asyncio.create_task(self._try(account, work), name=f"check of {account.name}")

    async def _try(self, account: Account, work: Coroutine[None, None, object]) -> None:
        try:
            await work
        except (EngineError, NoEngine, NotFound) as error:
            if self._told.get(account.id) != error.code:
                log.warning("account not well", extra={"account": account.name, "code": error.code})
            self._told[account.id] = error.code
        else:
            self._told.pop(account.id, None)
        finally:
            del self._busy[account.id]


def _due(account: Account, now: float) -> bool:
    if account.set_aside == AccountExpired.code:
        return False
    answers = account.set_aside == AccountRejected.code or (account.models and account.set_aside not in _UNREACHED)
    return account.checked_at is None or now - account.checked_at >= (_CHECK_EVERY if answers else _CHECK_AGAIN)


def _must_rest(account: Account) -> bool:
    """Whether its rest has to be sat out, and is not over."""
    if account.rests_until is None or account.set_aside in _UNREACHED:
        return False
    return account.rests_until > time.time()


def _returns(account: Account, now: float) -> bool:
    """Whether it is in use again by itself: its rest is over, with nothing to be shown, or its token has not ended."""
    if account.set_aside == AccountExpired.code:
        return not account.refreshable and account.expires_at is not None and not account.expired(now)
    return account.set_aside is not None and account.set_aside not in FAULTS and not account.rests(now)
