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
    QuotaExhausted,
    RateLimited,
)

log = logging.getLogger(__name__)

_FAULTS_IN_A_ROW: Final = 3
_REST: Final = {RateLimited: 30.0, QuotaExhausted: 3600.0, EngineBusy: 5.0}
_TOLD: Final = frozenset(error.code for error in _REST)
_PROBED: Final = frozenset(error.code for error in (EngineFault, NetworkFault, ConnectFault))
_LONGEST_REST: Final = 600.0
_CHECK_EVERY: Final = 300.0
_CHECK_AGAIN: Final = 5.0


class Health:
    """Sets accounts aside and takes them back, and looks at those that nobody asked for a while."""

    def __init__(self, book: AccountBook, engines: Engines, pool: Pool) -> None:
        self._book = book
        self._engines = engines
        self._pool = pool
        self._faults: Counter[str] = Counter()

    async def well(self, account_id: str) -> None:
        """The engine answered as it should."""
        self._faults.pop(account_id, None)
        account = self._book.get(account_id)
        if account.set_aside is not None and account.rests_until is not None:
            await self._book.change(account_id, set_aside=None, set_aside_at=None, rests_until=None)
            self._pool.look_again()

    async def note(self, account_id: str, error: EngineError, *, model: str) -> None:
        """An engine answered with *error* to work for the public *model*. A client's fault is never held against it."""
        if isinstance(error, NotServedHere):
            self._pool.unserved(account_id, model, until=time.time() + _LONGEST_REST)
        elif isinstance(error, AccountRejected):
            await self._set_aside(account_id, error, seconds=None)
        elif isinstance(error, RateLimited | QuotaExhausted | EngineBusy):
            await self._set_aside(account_id, error, seconds=error.retry_after or _REST[type(error)])
        elif isinstance(error, EngineFault | NetworkFault):
            self._faults[account_id] += 1
            beyond = self._faults[account_id] - _FAULTS_IN_A_ROW
            if beyond >= 0:
                await self._set_aside(account_id, error, seconds=min(_LONGEST_REST, 15.0 * 2**beyond))

    async def _set_aside(self, account_id: str, error: EngineError, *, seconds: float | None) -> None:
        now = time.time()
        until = None if seconds is None else now + seconds
        account = await self._book.change(account_id, set_aside=error.code, set_aside_at=now, rests_until=until)
        log.warning("account set aside", extra={"account": account.name, "code": error.code, "seconds": seconds})
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._pool.look_again)

    # Looking at accounts.

    async def check(self, account: Account) -> None:
        """Ask the engine for its models; one that answers is well again, unless it told us to wait.

        Raises what the engine answers.
        """
        try:
            models = await self._engines.driver(account).check()
        except (EngineError, NoEngine) as error:
            await self._book.change(account.id, checked_at=time.time())
            if isinstance(error, AccountRejected):
                await self._set_aside(account.id, error, seconds=None)
            raise
        found: dict[str, object] = {"models": tuple(models), "checked_at": time.time()}
        if not _must_rest(self._book.get(account.id)):
            found |= {"set_aside": None, "set_aside_at": None, "rests_until": None}
            self._faults.pop(account.id, None)
        await self._book.change(account.id, **found)
        self._pool.look_again()

    async def check_new(self) -> None:
        """Look at all accounts that nobody has looked at."""
        await asyncio.gather(*(self._try(account) for account in self._book.all() if account.checked_at is None))

    async def keep_checking(self) -> None:
        """Look at each account now and then, and more often at one whose models are not known. Ends when cancelled."""
        while True:
            now = time.time()
            due = [account for account in self._book.all() if self._due(account, now)]
            await asyncio.gather(*(self._try(account) for account in due))
            await asyncio.sleep(_CHECK_AGAIN)

    def _due(self, account: Account, now: float) -> bool:
        if account.removed_at is not None or not account.enabled:
            return False
        known = account.models and account.set_aside not in _PROBED
        every = _CHECK_EVERY if known else _CHECK_AGAIN
        return account.checked_at is None or now - account.checked_at >= every

    async def _try(self, account: Account) -> None:
        try:
            await self.check(account)
        except (EngineError, NoEngine, NotFound) as error:
            log.warning("account not well", extra={"account": account.name, "code": error.code})


def _must_rest(account: Account) -> bool:
    """Whether its engine told it to wait, and the time is not over."""
    resting = account.rests_until is not None and account.rests_until > time.time()
    return resting and account.set_aside in _TOLD
