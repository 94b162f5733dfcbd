"""New tokens for accounts that have a refresh token: the refresh grant of OAuth 2 (RFC 6749, section 6).

A server may take each refresh token only once, so an account's is sent by one caller at a time, and what it brings is
on disk before anything uses it.
"""

import asyncio
import logging
import time
from collections import Counter
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError
from yarl import URL

from sora2api.accounts.aside import set_aside
from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.expiry import lifetime
from sora2api.accounts.proxies import ProxyBook
from sora2api.egress import Sessions, Trace
from sora2api.egress.client import engine_faults
from sora2api.egress.trace import traced
from sora2api.errors import AccountExpired, ConnectFault, EngineError, ProxyFault

log = logging.getLogger(__name__)

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30.0, sock_connect=10.0)
_PATIENCE: Final = 10.0
_WRITE_AGAIN: Final = 1.0
_MARGIN: Final = 300.0
_MARGIN_OF_LIFETIME: Final = 0.1
_LONGEST_PAUSE: Final = 300.0
_REFUSALS: Final = frozenset({400, 401, 403})


class _Granted(Struct):
    """A successful answer (RFC 6749, section 5.1)."""

    access_token: str
    refresh_token: str | None = None
    expires_in: float | None = None


class Refreshes:
    """Renews tokens. *trace* is told of each call; after one without a clear answer there is a *pause*, in seconds."""

    def __init__(
        self, book: AccountBook, sessions: Sessions, proxies: ProxyBook, *, trace: Trace, pause: float = 5.0
    ) -> None:
        self._book = book
        self._sessions = sessions
        self._proxies = proxies
        self._trace = trace
        self._pause = pause
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failures: Counter[str] = Counter()
        self._again: dict[str, float] = {}
        self._lifetimes: dict[str, float] = {}

    async def close(self) -> None:
        """Wait for the answers that are on their way: they may be the only ones to a refresh token."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=_PATIENCE)

    def due(self, account: Account) -> bool:
        """Whether an account's token ends so soon that it is to be renewed now.

        That is 5 minutes before, or a tenth of its lifetime if that is more; but not before half of it is over.
        """
        if not account.refreshable or account.expires_at is None or account.set_aside == AccountExpired.code:
            return False
        lasts = self._lifetimes.get(account.id) or lifetime(account.token)
        margin = _MARGIN if lasts is None else min(max(_MARGIN, _MARGIN_OF_LIFETIME * lasts), lasts / 2)
        return account.expires_at - margin <= time.time() and not self._paused(account.id)

    async def renewed(self, account_id: str, rejected: str | None) -> bool:
        """Whether the account has another token than the *rejected* one, after asking for one if need be.

        Raises:
            AccountExpired: there will be none until somebody mends it; the account is set aside.
            ConnectFault: there may be one later.

        """
        account = self._book.get(account_id)
        if account.token == rejected and account.refreshable:
            await self.refresh(account_id)
        return self._book.get(account_id).token not in (None, rejected)

    async def refresh(self, account_id: str) -> None:
        """Renew an account's token; who asks while that is done waits for the same answer. Raises as `renewed`."""
        if account_id not in self._running:
            if self._book.get(account_id).set_aside == AccountExpired.code:
                raise AccountExpired
            if self._paused(account_id):
                raise ConnectFault("The server that renews the account's token does not answer.")
            running = asyncio.create_task(self._refresh(account_id), name=f"refresh of {account_id}")
            running.add_done_callback(lambda done: self._done(account_id, done))
            self._running[account_id] = running
        await asyncio.shield(self._running[account_id])

    def _paused(self, account_id: str) -> bool:
        return time.monotonic() < self._again.get(account_id, 0.0)

    def _done(self, account_id: str, running: asyncio.Task[None]) -> None:
        del self._running[account_id]
        if running.cancelled() or isinstance(running.exception(), ConnectFault):
            pause = min(_LONGEST_PAUSE, self._pause * 2 ** min(self._failures[account_id], 10))
            self._failures[account_id] += 1
            self._again[account_id] = time.monotonic() + pause
        else:
            self._failures.pop(account_id, None)
            self._again.pop(account_id, None)

    async def _refresh(self, account_id: str) -> None:
        token = self._book.get(account_id).token
        await self._book.load(account_id)
        account = self._book.get(account_id)
        if account.token != token:
            return  # another process has renewed it
        try:
            granted = await self._ask(account)
        except AccountExpired as error:
            await self._book.load(account_id)
            if self._book.get(account_id).refresh_token == account.refresh_token:
                await set_aside(self._book, account_id, error, until=None)
                raise
            return  # it was spent by another process, which has the new ones
        changes: dict[str, Any] = {"token": granted.access_token}
        if granted.refresh_token is not None:
            changes["refresh_token"] = granted.refresh_token
        if granted.expires_in is not None:
            self._lifetimes[account_id] = granted.expires_in
            changes["expires_at"] = time.time() + granted.expires_in
        await self._keep(account, changes)
        log.info("token renewed", extra={"account": account.name})

    async def _keep(self, account: Account, changes: dict[str, Any]) -> None:
        """Write new tokens down, as often as it takes: the old refresh token may be worth nothing any more."""
        while True:
            try:
                await self._book.change(account.id, **changes)
            except SQLAlchemyError:
                log.exception("new tokens could not be written; trying again", extra={"account": account.name})
                await asyncio.sleep(_WRITE_AGAIN)
            else:
                return

    async def _ask(self, account: Account) -> _Granted:
        """Send the refresh token. What is no refusal of it is a `ConnectFault`: the engine itself has got nothing."""
        form = {"grant_type": "refresh_token", "refresh_token": account.refresh_token or ""}
        if account.client_id is not None:
            form["client_id"] = account.client_id
        try:
            status, body = await self._post(account, URL(account.refresh_url or ""), form)
        except ProxyFault:
            raise
        except EngineError as error:
            raise ConnectFault("The server that renews the account's token does not answer.") from error
        if status in _REFUSALS:
            log.warning("refresh token refused", extra={"account": account.name, "status": status})
            raise AccountExpired
        try:
            if status != 200:
                raise ConnectFault(f"The server that renews the account's token answers with status {status}.")
            return msgspec.json.decode(body, type=_Granted, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConnectFault("The server that renews the account's token gives none.") from error

    async def _post(self, account: Account, url: URL, form: dict[str, str]) -> tuple[int, bytes]:
        """The status and body of the answer, by the account's own way."""
        route = self._proxies.route(account.proxy, whose=account.id)
        try:
            with (
                traced(self._trace, account=account.id, proxy=route.name, method="POST", url=url) as meter,
                engine_faults(),
                self._sessions.use(route.url) as session,
            ):
                accept = {"Accept": "application/json"}
                async with session.post(
                    url, data=form, headers=accept, timeout=_TIMEOUT, allow_redirects=False
                ) as response:
                    meter.response = response
                    return response.status, await response.read()
        except ProxyFault as error:
            self._proxies.blocked(route, error)
            raise
