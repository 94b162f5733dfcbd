"""How an account is, by the types of the errors that its engine answers with."""

import asyncio
import logging
import time
from collections import Counter
from typing import Final

from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.engines import Engines
from sora2api.accounts.pool import Pool
from sora2api.errors import (
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
_DOUBLINGS: Final = 6
_LONGEST_REST: Final = 600.0
_CHECK_EVERY: Final = 300.0
_CHECK_AGAIN: Final = 5.0
_TICK: Final = 0.5


class Health:
    """Sets accounts aside and takes them back, and looks at those that nobody asked for a while."""

    def __init__(self, book: AccountBook, engines: Engines, pool: Pool) -> None:
        self._book = book
        self._engines = engines
        self._pool = pool
        self._faults: Counter[str] = Counter()
        self._looking: dict[str, asyncio.Task[None]] = {}

    async def well(self, account_id: str) -> None:
        """The engine did a task as it should."""
        self._faults.pop(account_id, None)
        account = self._book.get(account_id)
        if account.set_aside is not None and not _must_rest(account):
            await self._take_back(account_id)

    async def note(self, account_id: str, error: EngineError, *, model: str) -> None:
        """An engine answered with *error* to work for the public *model*. A client's fault is never held against it."""
        if isinstance(error, NotServedHere):
            self._pool.unserved(account_id, model, until=time.time() + _LONGEST_REST)
        elif isinstance(error, AccountRejected):
            await self._set_aside(account_id, error, until=None)
        elif isinstance(error, ProxyFault):
            if error.retry_after is not None:  # nothing was tried: it is known that nothing gets through
                await self.proxy_down(account_id, error)
        elif isinstance(error, RateLimited | QuotaExhausted | EngineBusy):
            await self._set_aside(account_id, error, until=time.time() + (error.retry_after or _REST[type(error)]))
        elif isinstance(error, EngineFault | NetworkFault):
            self._faults[account_id] += 1
            beyond = self._faults[account_id] - _FAULTS_IN_A_ROW
            if beyond >= 0:
                rest = min(_LONGEST_REST, _FIRST_REST * 2 ** min(beyond, _DOUBLINGS))
                await self._set_aside(account_id, error, until=time.time() + rest)

    async def proxy_down(self, account_id: str, error: ProxyFault) -> None:
        """The account's proxy lets nothing through, and it may use no other: it rests until `proxy_back`."""
        await self._set_aside(account_id, error, until=None)

    async def proxy_back(self, account_id: str) -> None:
        """The account has a way again."""
        if self._book.get(account_id).set_aside == ProxyFault.code:
            await self._take_back(account_id)

    async def _set_aside(self, account_id: str, error: EngineError, *, until: float | None) -> None:
        """Let the account rest *until* then, or until somebody mends it; what holds longer already goes on."""
        account = self._book.get(account_id)
        if account.set_aside is not None:
            now_until = account.rests_until
            if now_until is None or (until is not None and until <= now_until):
                return
        await self._book.note(account_id, set_aside=error.code, set_aside_at=time.time(), rests_until=until)
        log.warning("account set aside", extra={"account": account.name, "code": error.code})

    async def _take_back(self, account_id: str) -> None:
        await self._book.note(account_id, set_aside=None, set_aside_at=None, rests_until=None)
        self._pool.look_again()

    # Looking at accounts.

    async def check(self, account: Account) -> None:
        """Ask the engine for its models; one that was not reached, or not let in, is well again when it answers.

        Raises what the engine answers.
        """
        try:
            models = await self._engines.driver(account).check()
        except (EngineError, NoEngine) as error:
            await self._book.note(account.id, checked_at=time.time())
            if isinstance(error, AccountRejected):
                await self._set_aside(account.id, error, until=None)
            raise
        await self._book.note(account.id, models=tuple(models), checked_at=time.time())
        account = self._book.get(account.id)
        if account.set_aside is not None and not _must_rest(account):
            await self._take_back(account.id)
        self._pool.look_again()

    async def keep_checking(self) -> None:
        """Look at each account now and then, and more often at one whose models are not known. Ends when cancelled.

        A silent engine keeps nobody else waiting.
        """
        try:
            while True:
                now = time.time()
                for account in self._book.all():
                    if account.id not in self._looking and _due(account, now):
                        looking = asyncio.create_task(self._try(account), name=f"check of {account.name}")
                        self._looking[account.id] = looking
                self._pool.look_again()  # somebody's rest may be over
                await asyncio.sleep(_TICK)
        finally:
            for looking in tuple(self._looking.values()):
                looking.cancel()

    async def _try(self, account: Account) -> None:
        try:
            await self.check(account)
        except (EngineError, NoEngine, NotFound) as error:
            log.warning("account not well", extra={"account": account.name, "code": error.code})
        finally:
            del self._looking[account.id]


def _due(account: Account, now: float) -> bool:
    if account.removed_at is not None or not account.enabled:
        return False
    known = account.models and account.set_aside not in _UNREACHED
    return account.checked_at is None or now - account.checked_at >= (_CHECK_EVERY if known else _CHECK_AGAIN)


def _must_rest(account: Account) -> bool:
    """Whether its rest has to be sat out, and is not over."""
    if account.rests_until is None or account.set_aside in _UNREACHED:
        return False
    return account.rests_until > time.time()
