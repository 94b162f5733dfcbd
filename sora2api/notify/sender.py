"""Delivering: lanes beside each other, a few deliveries at a time in each, attempts spread over three days."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from sora2api.egress import GuardedFetch
from sora2api.errors import Sora2ApiError
from sora2api.notify.deliveries import Deliveries, Due
from sora2api.notify.endpoints import Endpoints
from sora2api.notify.events import ALERTS, new_id, sample
from sora2api.notify.signing import Signer, signed

log = logging.getLogger(__name__)

PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0)
"""The time from an attempt that failed to the next; the last one goes on to hold."""
_JITTER: Final = 0.2
_TRIED_FOR: Final = 72 * 3600.0
_TIMEOUT: Final = 15.0
_IN_A_LANE: Final = 4
_AT_ONCE: Final = 128
_LOOK_EVERY: Final = 60.0
_DATABASE_PAUSE: Final = 30.0
_GONE: Final = 410


class Sender:
    """Delivers what is due while `run` runs. Each delivery is made once at least, always under the same id.

    *fetch* is for URLs that clients give, *own* for the operator's.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        endpoints: Endpoints,
        signer: Signer,
        fetch: GuardedFetch,
        *,
        own: GuardedFetch | None = None,
        pauses: Sequence[float] = PAUSES,
        tried_for: float = _TRIED_FOR,
        timeout: float = _TIMEOUT,
    ) -> None:
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._signer = signer
        self._fetch = fetch
        self._own = own or fetch
        self._pauses = pauses
        self._tried_for = tried_for
        self._timeout = timeout
        self.outcomes: Counter[str] = Counter()
        """How attempts ended since the start: `delivered`, `failed`, or `retried` where there will be another."""
        self._lanes: dict[str, _Lane] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def test(self, endpoint_id: str, event_type: str, *, owner: str) -> int:
        """Send an endpoint a sample now, once; the status that it answers. No answer is a `ClientError`."""
        endpoint = await self._endpoints.get(endpoint_id, owner=owner)
        keys = await self._endpoints.keys(endpoint_id, owner=owner)
        return await self._post(self._fetch, new_id(), endpoint.url, sample(event_type), keys)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self._deliveries.news.clear()
                pause = 0.0
                async with _despite_the_database():
                    now = time.time()
                    for name in await self._deliveries.lanes_due(now):
                        self._wake(name, group)
                    next_due = await self._deliveries.next_due(now)
                    pause = _LOOK_EVERY if next_due is None else min(_LOOK_EVERY, max(0.0, next_due - time.time()))
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._deliveries.news.wait()

    def _wake(self, name: str, group: asyncio.TaskGroup) -> None:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
            group.create_task(self._serve(name, lane, group), name="webhook lane")
        elif len(lane.sending) < _IN_A_LANE:
            lane.news.set()

    async def _serve(self, name: str, lane: "_Lane", group: asyncio.TaskGroup) -> None:
        """Have all delivered that is due in a lane, a few at a time."""
        while True:
            lane.news.clear()
            before = frozenset(lane.sending)  # what ends during the look may still be shown by it
            async with _despite_the_database():
                for due in await self._deliveries.due(name, at_most=_IN_A_LANE):
                    if due.id not in before and len(lane.sending) < _IN_A_LANE:
                        lane.sending.add(due.id)
                        group.create_task(self._deliver(due, lane), name="webhook")
            if not lane.sending and not lane.news.is_set():
                del self._lanes[name]
                return
            await lane.news.wait()

    async def _deliver(self, due: Due, lane: "_Lane") -> None:
        status: int | None = None
        try:
            async with self._room:
                fetch = self._own if due.owner == ALERTS else self._fetch
                status = await self._post(fetch, due.id, due.url, due.body, self._keys(due))
        except Sora2ApiError as error:
            trouble = error.message
        else:
            trouble = f"The answer was {status}."
        async with _despite_the_database():
            await self._note(due, status, trouble)
        lane.sending.discard(due.id)
        lane.news.set()

    async def _note(self, due: Due, status: int | None, trouble: str) -> None:
        if status is not None and 200 <= status < 300:
            self.outcomes["delivered"] += 1
            await self._deliveries.delivered(due, status_code=status)
            return
        again_at = None if status == _GONE else self._again_at(due)
        last = again_at is None
        self.outcomes["failed" if last else "retried"] += 1
        log.warning("webhook not delivered", extra={"delivery": due.id, "status": status, "last": last})
        await self._deliveries.failed(due, status_code=status, error=trouble, again_at=again_at)
        if status == _GONE and due.endpoint_id is not None:
            await self._endpoints.disable(due.endpoint_id)

    def _keys(self, due: Due) -> tuple[str, ...]:
        if due.secret is None:
            return (self._signer.callback_secret(due.owner),)
        return self._signer.in_force(due.secret, due.old_secret, due.old_until)

    def _again_at(self, due: Due) -> float | None:
        """When to try again, None when it has been tried long enough."""
        pause = self._pauses[min(due.attempts, len(self._pauses) - 1)]
        moment = time.time() + pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        return moment if moment <= due.began_at + self._tried_for else None

    async def _post(self, fetch: GuardedFetch, webhook_id: str, url: str, body: bytes, keys: Sequence[str]) -> int:
        headers = {"Content-Type": "application/json"} | signed(webhook_id, body, keys, at=time.time())
        return await fetch.post(url, body=body, headers=headers, timeout=self._timeout)


class _Lane:
    """A lane that is being served: what is under way in it; *news* is set when there may be more to do."""

    __slots__ = ("news", "sending")

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.sending: set[str] = set()


@asynccontextmanager
async def _despite_the_database() -> AsyncIterator[None]:
    """Where the database refuses, wait: what could not be noted is due still, and would be sent again at once."""
    try:
        yield
    except SQLAlchemyError:
        log.exception("the table of deliveries could not be used")
        await asyncio.sleep(_DATABASE_PAUSE)
