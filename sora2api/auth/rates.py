"""How many requests each key has made within the last minute."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from sora2api.errors import RateLimitExceeded

_MINUTE: Final = 60.0


class Rate(Struct, frozen=True):
    """What a limit leaves: of *limit* requests *remaining*, and all of them again in *reset* seconds."""

    limit: int
    remaining: int
    reset: float


class Rates:
    """A window that slides: never more than the limit in any 60 seconds. In memory: a restart forgives.

    It holds the times of a key's last requests, at most as many as its limit; who has not called for a minute is
    forgotten when somebody new calls.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}

    def count(self, key_id: str, limit: int) -> None:
        """Count a request. Raises `RateLimitExceeded`, and does not count it, where it is one too many."""
        now = self._clock()
        calls = self._recent(key_id, limit, now)
        if len(calls) >= limit:
            wait = calls[0] + _MINUTE - now
            raise RateLimitExceeded(f"This API key allows {limit} requests a minute.", retry_after=wait)
        calls.append(now)

    def left(self, key_id: str, limit: int) -> Rate:
        now = self._clock()
        calls = self._recent(key_id, limit, now)
        return Rate(limit, limit - len(calls), calls[-1] + _MINUTE - now if calls else 0.0)

    def _recent(self, key_id: str, limit: int, now: float) -> deque[float]:
        """The times of the last minute's requests, of the newest *limit* ones."""
        calls = self._calls.get(key_id)
        if calls is None:
            self._forget(now)
            calls = self._calls[key_id] = deque(maxlen=limit)
        elif calls.maxlen != limit:
            calls = self._calls[key_id] = deque(calls, maxlen=limit)
        while calls and calls[0] <= now - _MINUTE:
            calls.popleft()
        return calls

    def _forget(self, now: float) -> None:
        idle = [key_id for key_id, calls in self._calls.items() if not calls or calls[-1] <= now - _MINUTE]
        for key_id in idle:
            del self._calls[key_id]
