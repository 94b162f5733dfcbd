"""A job while it is worked: what its mode sees of it, and what a restart needs to go on."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
import msgspec

from sora2api.accounts import Need
from sora2api.errors import InvalidRequest
from sora2api.jobs.feed import Feed
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.records import JobRecord, TaskRecord, encode
from sora2api.media.store import MediaStore
from sora2api.modes import (
    Event,
    Media,
    Note,
    Output,
    Plan,
    Progress,
    Request,
    Result,
    TaskSubmitted,
    Waiting,
    WayChosen,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

_ASSET: Final = re.compile(r'"asset":"([^"]+)"')

CarryOut = Callable[["LiveJob", Plan], AsyncIterator[Event]]


class LiveJob:
    """One unfinished job (`sora2api.modes.Job`)."""

    def __init__(
        self,
        record: JobRecord,
        *,
        feed: Feed,
        ledger: Ledger,
        store: MediaStore,
        http: Callable[[], aiohttp.ClientSession],
        carry_out: CarryOut,
        on_begun: Callable[["LiveJob"], None],
    ) -> None:
        self.record = record
        self.feed = feed
        self.tasks: list[TaskRecord] = []
        self.need: Need | None = None
        self.worker: asyncio.Task[None] | None = None
        self.over = asyncio.Event()
        self.ending = False
        self.begun_at = record.started_at
        self.timers: list[asyncio.TimerHandle] = []
        self.stopper: asyncio.Task[None] | None = None
        self._ledger = ledger
        self._store = store
        self._http = http
        self._carry_out = carry_out
        self._on_begun = on_begun
        self._results: dict[str, bytes] = {}
        self._saying = asyncio.Lock()

    def remembered(self, tasks: Sequence[TaskRecord], results: dict[str, bytes]) -> None:
        """Take up what was written down of it before a restart."""
        self.tasks = list(tasks)
        self._results = results
        begun = [task.intended_at for task in tasks]
        self.begun_at = min([*begun, self.begun_at]) if self.begun_at is not None else min(begun, default=None)

    # What its mode sees.

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def request(self) -> Request:
        return self.record.request

    @property
    def plan(self) -> Plan:
        return self.record.plan

    @property
    def http(self) -> aiohttp.ClientSession:
        return self._http()

    def carry_out(self, plan: Plan) -> AsyncIterator[Event]:
        return self._carry_out(self, plan)

    async def step(self, name: str, function: Callable[[], Awaitable[T]], result: type[T]) -> T:
        key = f"own:{name}"
        if key not in self._results:
            self.begin()
            await self.remember(key, encode(await function()))
        return msgspec.json.decode(self._results[key], type=result)

    async def result(self, step: str) -> Result:
        recorded = self.recorded(step)
        if recorded is None:
            raise InvalidRequest(f"The step {step!r} has no result yet.")
        return recorded

    async def keep(self, file: Path) -> Media:
        return await self._store.keep(file, owner=self.owner, job_id=self.id, role="part")

    async def path(self, media: Media) -> Path:
        return await self._store.path(media)

    def uses(self) -> Iterator[str]:
        """The ids of the files that it may still read: its inputs, and those that its plan names."""
        yield from _ASSET.findall(encode(self.request).decode())
        yield from _ASSET.findall(encode(self.plan).decode())

    # What carries it out.

    @property
    def owner(self) -> str:
        return self.record.owner

    @property
    def admitted(self) -> float:
        return self.record.created_at

    def begin(self) -> None:
        """It is worked from now on, and no longer waits for its first account."""
        if self.begun_at is None:
            self.begun_at = time.time()
            self._on_begun(self)

    def recorded(self, step: str) -> Result | None:
        """A step's result, if it is done."""
        data = self._results.get(step)
        return None if data is None else msgspec.json.decode(data, type=Result)

    def way(self, step: str) -> WayChosen | None:
        data = self._results.get(f"way:{step}")
        return None if data is None else msgspec.json.decode(data, type=WayChosen)

    async def choose_way(self, chosen: WayChosen) -> None:
        """Note how a step is done, and say so."""
        if self.way(chosen.step) != chosen:
            await self.remember(f"way:{chosen.step}", encode(chosen))
        await self.say(chosen)

    async def remember(self, name: str, result: bytes) -> None:
        await self._ledger.step(self.id, name, result)
        self._results[name] = result

    # What it says.

    async def say(self, event: Event) -> None:
        """Tell those who follow: a milestone once it is written down, anything else at once."""
        if isinstance(event, Progress):
            self._progress(event.percent)
        elif isinstance(event, Waiting):
            self.record.waiting_for = event.reason
            self.feed.pass_on(event)
        else:
            await asyncio.shield(asyncio.ensure_future(self._milestone(event)))
        if isinstance(event, Output) and event not in self.record.outputs:
            self.record.outputs = (*self.record.outputs, event)

    async def _milestone(self, event: Event) -> None:
        async with self._saying:
            self.record.waiting_for = None
            if self.feed.again(event):
                return
            milestone = self.feed.number(event)
            if self.record.status == "queued" and isinstance(event, TaskSubmitted | Note):
                self.begin()
                self.record.status, self.record.started_at = "in_progress", milestone.at
                await self._ledger.start(self.record, milestone)
            else:
                await self._ledger.append(self.id, milestone)
            self.feed.publish(milestone)

    def _progress(self, percent: int) -> None:
        percent = min(99, percent)
        if percent > self.record.progress:
            self.record.progress = percent
            self.feed.pass_on(Progress(percent=percent))
