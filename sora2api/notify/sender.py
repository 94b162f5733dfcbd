"""Delivering: lanes beside each other, a few deliveries at a time in each, attempts spread over three days."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from sora2api.egress import GuardedFetch
from sora2api.errors import Sora2ApiError
from sora2api.notify.deliveries import Deliveries, Due
from sora2api.notify.endpoints import Endpoints
from sora2api.notify.events import new_id, sample
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
_DATABASE_PAUSE: Final = 5.0
_GONE: Final = 410


class Sender:
    """Delivers what is due while `run` runs. Each delivery is made once at least, always under the same id."""

    def __init__(
        self,
        deliveries: Deliveries,
        endpoints: Endpoints,
        signer: Signer,
        fetch: GuardedFetch,
        *,
        pauses: Sequence[float] = PAUSES,
        tried_for: float = _TRIED_FOR,
        timeout: float = _TIMEOUT,
    ) -> None:
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._signer = signer
        self._fetch = fetch
        self._pauses = pauses
        self._tried_for = tried_for
        self._timeout = timeout
        self._lanes: set[str] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def test(self, endpoint_id: str, event_type: str, *, owner: str) -> int:
        """Send an endpoint a sample now, once; the status that it answers. No answer is a `ClientError`."""
        endpoint = await self._endpoints.get(endpoint_id, owner=owner)
        keys = await self._endpoints.keys(endpoint_id, owner=owner)
        return await self._post(new_id(), endpoint.url, sample(event_type), keys)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as serving:
            while True:
                self._deliveries.news.clear()
                pause = _LOOK_EVERY
                try:
                    for lane in await self._deliveries.lanes_due(besides=self._lanes):
                        self._lanes.add(lane)
                        serving.create_task(self._serve(lane), name=f"webhooks of {lane}")
                    next_due = await self._deliveries.next_due()
                except SQLAlchemyError:
                    log.exception("deliveries not read")
                    pause = _DATABASE_PAUSE
                else:
                    pause = min(_LOOK_EVERY, max(0.0, (next_due or float("inf")) - time.time()))
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._deliveries.news.wait()

    async def _serve(self, lane: str) -> None:
        """Deliver all that is due in a lane."""
        try:
            while due := await self._deliveries.due(lane, at_most=_IN_A_LANE):
                await asyncio.gather(*(self._deliver(each) for each in due))
        except SQLAlchemyError:
            log.exception("delivery not noted")
            await asyncio.sleep(_DATABASE_PAUSE)
        finally:
            self._lanes.discard(lane)
            self._deliveries.news.set()

    async def _deliver(self, due: Due) -> None:
        status: int | None = None
        try:
            async with self._room:
                status = await self._post(due.id, due.url, due.body, self._keys(due))
        except Sora2ApiError as error:
            trouble = error.message
        else:
            trouble = f"The answer was {status}."
        if status is not None and 200 <= status < 300:
            await self._deliveries.delivered(due, status_code=status)
            return
        again_at = None if status == _GONE else self._again_at(due)
        log.warning(
            "webhook not delivered", extra={"delivery": due.id, "status": status, "again": again_at is not None}
        )
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

    async def _post(self, webhook_id: str, url: str, body: bytes, keys: Sequence[str]) -> int:
        headers = {"Content-Type": "application/json"} | signed(webhook_id, body, keys, at=time.time())
        return await self._fetch.post(url, body=body, headers=headers, timeout=self._timeout)
