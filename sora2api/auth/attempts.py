"""A growing delay for those who guess: by the name they try, and by the address they come from."""

import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import msgspec

from sora2api.errors import TooManyAttempts

_FREE: Final = 4
_NAME_DELAY: Final = 30.0
"""The longest delay for a name. Short, since anybody can bring it upon its owner."""
_ADDRESS_DELAY: Final = 900.0
_MEMORY: Final = 3600.0
_MOST: Final = 20_000


class _Count(msgspec.Struct):
    attempts: int
    last: float
    wait_until: float


class Attempts:
    """Counts attempts since the last success. In memory: a restart forgives."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    def begin(self, name: str, address: str) -> None:
        """Count an attempt before it is judged, so that many at once gain nothing.

        Raises `TooManyAttempts` while a delay lasts; an attempt refused so is not counted.
        """
        now = self._clock()
        limits = {f"name {name}": _NAME_DELAY, f"address {_network(address)}": _ADDRESS_DELAY}
        wait = max((self._counts[who].wait_until - now for who in limits if who in self._counts), default=0.0)
        if wait > 0:
            raise TooManyAttempts(f"Too many attempts: wait {math.ceil(wait)} s before the next.", retry_after=wait)
        for who, longest in limits.items():
            self._count(who, longest, now)

    def forgive(self, name: str, address: str) -> None:
        """The attempt was a success."""
        self._counts.pop(f"name {name}", None)
        self._counts.pop(f"address {_network(address)}", None)

    def _count(self, who: str, longest: float, now: float) -> None:
        # Taken out and put back: the dict stays ordered by the last attempt.
        found = self._counts.pop(who, None)
        attempts = 1 if found is None or now - found.last > _MEMORY else found.attempts + 1
        delay = min(longest, 2.0 ** min(attempts - _FREE, 30)) if attempts >= _FREE else 0.0
        self._counts[who] = _Count(attempts, now, now + delay)
        if len(self._counts) > _MOST:
            del self._counts[next(iter(self._counts))]


def _network(address: str) -> str:
    """What one caller can change at will: an IPv6 address within its /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address
