"""What one task tells another, for those of whom each job holds some: asyncio's own weigh two kilobytes and more."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Bell:
    """Wakes the one who waits, as an `asyncio.Event` does that is cleared behind each wait."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def heard(self) -> None:
        """Wait until it has been rung since the last wait ended. One waits at a time."""
        if not self._rung:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._rung = False


class Inbox(Generic[T]):
    """Hands over in order, to one who takes."""

    __slots__ = ("_bell", "_items")

    def __init__(self) -> None:
        self._bell = Bell()
        self._items: list[T] = []

    def put(self, item: T) -> None:
        self._items.append(item)
        self._bell.ring()

    async def take(self) -> T:
        while not self._items:
            await self._bell.heard()
        return self._items.pop(0)
