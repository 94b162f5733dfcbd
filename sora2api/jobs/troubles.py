"""What an operator should be told of the work: accounts, proxies, engines, the queue and the disk."""

import time
from collections.abc import Iterator
from typing import Final

from sora2api.accounts import Account, AccountBook, Pool
from sora2api.accounts.proxies import ProxyBook
from sora2api.media.store import MediaStore
from sora2api.notify import Trouble

_FULL: Final = 0.9
_NO_LONGER_FULL: Final = 0.75
_NO_ENGINE_FOR: Final = 15.0
"""So long may no engine be ready before that is told: the sandbox takes a moment to start."""


class Troubles:
    """Looks at what is in memory, so that it can be asked often."""

    def __init__(
        self, *, book: AccountBook, pool: Pool, proxies: ProxyBook, store: MediaStore, queue_limit: int
    ) -> None:
        self._book = book
        self._pool = pool
        self._proxies = proxies
        self._store = store
        self._queue_limit = queue_limit
        self._queue_full = False

    def now(self) -> Iterator[Trouble]:
        """The troubles that there are."""
        yield from self._accounts()
        yield from self._engines()
        for proxy in self._proxies.all():
            standing = self._proxies.standing(proxy.url)
            if proxy.enabled and standing.down is not None:
                yield Trouble(kind="proxy.down", subject=proxy.name, reason=standing.down, since=standing.down_at)
        if not self._store.has_room():
            yield Trouble(kind="disk.low", subject="data directory", reason="disk_full")
        if self._fills():
            yield Trouble(kind="queue.full", subject="queue", reason="queue_full")

    def _accounts(self) -> Iterator[Trouble]:
        """Those that rest. One that was disabled since then has not returned, so it still counts."""
        now = time.time()
        for account in self._book.all():
            if account.removed_at is not None:
                continue
            if account.rests(now):
                yield Trouble(
                    kind="account.set_aside",
                    subject=account.name,
                    reason=account.set_aside or "",
                    since=account.set_aside_at,
                    until=account.rests_until,
                )
            elif account.enabled and account.expired(now):
                yield Trouble(
                    kind="account.set_aside", subject=account.name, reason="account_expired", since=account.expires_at
                )

    def _engines(self) -> Iterator[Trouble]:
        now = time.time()
        serving = self._pool.in_service()
        if any(account.ready(now) for account in serving):
            return
        yield Trouble(
            kind="engine.none",
            subject="engines",
            reason="no_engine",
            until=min(filter(None, map(_back_at, serving)), default=None),
            patience=_NO_ENGINE_FOR,
        )

    def _fills(self) -> bool:
        """Whether the queue is nearly full, or has been and is not much emptier yet."""
        share = self._pool.waiting() / self._queue_limit
        self._queue_full = share >= (_NO_LONGER_FULL if self._queue_full else _FULL)
        return self._queue_full


def _back_at(account: Account) -> float | None:
    """When an account comes back by itself."""
    return account.rests_until if account.enabled and account.set_aside is not None else None
