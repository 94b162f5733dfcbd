"""What others may do with jobs: make, read, follow, wait for, cancel and delete them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, suppress
from typing import Final

from msgspec.structs import replace

from sora2api.accounts import Pool
from sora2api.auth.limits import UNLIMITED, Limits
from sora2api.errors import Draining, IntakePaused, NotFound, QueueFull, Starting
from sora2api.jobs.again import anew
from sora2api.jobs.allowance import Left, left
from sora2api.jobs.characters import CharacterBook, CharacterRecord
from sora2api.jobs.cleaning import Cleaner
from sora2api.jobs.intake import Intake, Outline
from sora2api.jobs.ledger import Ledger, Numbered
from sora2api.jobs.live import LiveJob
from sora2api.jobs.once import Once, Requests, digest
from sora2api.jobs.records import JobKind, JobRecord, Status
from sora2api.jobs.runner import Runner
from sora2api.jobs.steering import Gate, Selection, due_cancels, order_cancel
from sora2api.jobs.tally import Tally
from sora2api.jobs.usage import Use
from sora2api.jobs.windows import Window
from sora2api.media.store import Arrival, MediaStore
from sora2api.modes import Ended, Media, Request
from sora2api.store.database import Database
from sora2api.store.tables import assets

ONCE: Final = Once()
"""A request that says nothing of being sent again."""
_RECENT: Final = 1000
_RETRY_AFTER: Final = 10.0
_RETRY_PAUSED: Final = 30.0


class Jobs:
    """All jobs. Owners see only their own: another's is `NotFound`."""

    def __init__(
        self,
        *,
        database: Database,
        intake: Intake,
        runner: Runner,
        ledger: Ledger,
        store: MediaStore,
        pool: Pool,
        requests: Requests,
        characters: CharacterBook,
        tally: Tally,
        gate: Gate,
        cleaner: Cleaner,
        sandbox: Callable[[], AbstractAsyncContextManager[None]],
        queue_limit: int,
        polls: Mapping[str, int],
    ) -> None:
        self.polls = polls
        """How polls went since the start, by outcome."""
        self._characters = characters
        self._requests = requests
        self._tally = tally
        self._database = database
        self._intake = intake
        self._runner = runner
        self._ledger = ledger
        self._store = store
        self._pool = pool
        self._gate = gate
        self._cleaner = cleaner
        self._sandbox = sandbox
        self._queue_limit = queue_limit
        self._recent: dict[str, JobRecord] = {}
        self._stopping = asyncio.Event()
        self.started = False
        """Whether jobs are taken; set once what serves them is up."""

    def drain(self) -> None:
        """Take no new jobs from now on, and end what follows jobs or waits for them; the jobs stay as they are."""
        self._stopping.set()
        for live in self._runner.live.values():
            live.feed.close()

    @property
    def draining(self) -> bool:
        return self._stopping.is_set()

    async def stopping(self, *, seconds: float) -> bool:
        """Wait for a stop of the server, at most so long; whether it stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self.draining

    @property
    def changes(self) -> int:
        """Grows with each job that comes, begins or ends."""
        return self._runner.changes

    def check_open(self) -> None:
        """Raise what speaks against a request at all: a start, a stop, a full queue, a full disk.

        A pause of the intake does not: what was asked before is still answered.
        """
        if self.draining:
            raise Draining
        if not self.started:
            raise Starting(retry_after=1)
        if self._pool.waiting() >= self._queue_limit:
            raise QueueFull(retry_after=_RETRY_AFTER)
        self._store.check_room()

    async def take(
        self,
        request: Request,
        arrivals: Collection[Arrival] = (),
        *,
        once: Once = ONCE,
        cancel_after: float | None = None,
        request_id: str | None = None,
        limits: Limits = UNLIMITED,
        sandbox: bool = False,
    ) -> JobRecord:
        """The job of a request: stored and started, or the one that this very request made before (*once*).

        *limits* are those of its key; a request that was there before costs nothing. *sandbox*: as a trial, on the
        built-in sandbox.
        It is durable when this returns, and cancelled if it is not over *cancel_after* seconds later. A client that
        leaves meanwhile changes nothing.
        """
        mark = digest(request, arrivals)
        before = await self._requests.before(once, owner=request.owner, digest=mark)
        if before is not None:
            return await self.get(before)
        self.check_open()
        if self._gate.paused:
            raise IntakePaused(retry_after=_RETRY_PAUSED)

        async def take() -> JobRecord:
            cancel_at = None if cancel_after is None else time.time() + cancel_after
            taken = await self._intake.take(
                request,
                arrivals,
                digest="" if sandbox else mark,  # no client's request may take it for its own
                key=once.key,
                cancel_at=cancel_at,
                request_id=request_id,
                limits=limits,
                sandbox=sandbox,
            )
            if taken.job is None or taken.first is None:
                return await self.get(taken.job_id)
            return self._runner.start(taken.job, taken.first).record

        return await asyncio.shield(asyncio.ensure_future(take()))

    async def again(self, job_id: str, *, limits: Limits = UNLIMITED) -> JobRecord:
        """A new job of the same request, for the same owner. Raises `Gone` where an input is not kept any more."""
        job = await self.get(job_id)
        with self._store.scratch() as folder:
            request, arrivals = await anew(job.request, self._store, folder)
            return await self.take(request, arrivals, limits=limits)

    async def tried(self, job_id: str) -> JobRecord:
        """The same on the built-in sandbox, which is started for it: it costs nothing, and nobody is told of it."""
        job = await self.get(job_id)
        async with self._sandbox():
            with self._store.scratch() as folder:
                request, arrivals = await anew(replace(job.request, callback_url=None), self._store, folder)
                return await self.take(request, arrivals, sandbox=True)

    @property
    def on_sandbox(self) -> bool:
        """Whether a trial is not over."""
        return any(live.record.sandbox for live in self._runner.live.values())

    async def outline(self, request: Request, *, limits: Limits = UNLIMITED) -> Outline:
        """What would be made of a request: no job. Refuses what `take` would, but for what is full by now."""
        return await self._intake.outline(request, limits=limits)

    def left(self, owner: str, limits: Limits) -> Sequence[Left]:
        """What the *limits* of a key leave it of each amount, in the window that leaves the least."""
        return left(owner, limits, self._tally)

    def made(self, owner: str, window: Window) -> Use:
        """What the jobs of a key have made in the *window* that is now, but for the bytes."""
        return self._tally.made(owner, window, at=time.time())

    def in_flight(self, owner: str) -> int:
        """How many jobs of a key are not over."""
        return self._tally.in_flight(owner)

    def answering(self, job: JobRecord) -> AbstractContextManager[None]:
        """While the reply to a job's request is written; when it is left without an error, that is done."""
        return self._requests.answering(job.id)

    async def get(self, job_id: str, *, owner: str | None = None) -> JobRecord:
        live = self.live(job_id)
        if live is None:
            return await self._over(job_id, owner=owner)
        if owner not in (None, live.owner):
            raise NotFound("There is no such video here.")
        return live

    def live(self, job_id: str) -> JobRecord | None:
        """An unfinished job as it is at this moment; None: it is over, or there is none."""
        live = self._runner.live.get(job_id)
        if live is None:
            return None
        live.record.queue_position = None
        if live.need is not None:
            live.record.waiting_for = self._pool.reason(live.need, admitted=live.admitted)
            live.record.queue_position = self._pool.ahead(live.need, admitted=live.admitted) + 1
        return live.record

    def usual_time(self, job: JobRecord) -> float | None:
        """How long jobs alike took lately, in seconds from request to end; None while that is not known."""
        return self._runner.pace.usual(job)

    async def _over(self, job_id: str, *, owner: str | None) -> JobRecord:
        """A job that is over, and so stays as it is: those asked for lately are at hand."""
        job = self._recent.pop(job_id, None) or await self._ledger.get(job_id)
        if job.over():
            self._recent[job_id] = job
            if len(self._recent) > _RECENT:
                del self._recent[next(iter(self._recent))]
        if owner not in (None, job.owner):
            raise NotFound("There is no such video here.")
        return job

    async def shared(self, share_id: str) -> JobRecord:
        """A video by its share id."""
        return await self._ledger.shared(share_id)

    async def page(
        self,
        *,
        owner: str,
        kind: JobKind,
        after: str | None,
        limit: int,
        ascending: bool,
        statuses: Collection[Status] = (),
        model: str | None = None,
    ) -> tuple[Sequence[JobRecord], bool]:
        """At most *limit* jobs behind the job *after*, and whether there are more; no *statuses*: all."""
        found = await self._ledger.page(
            owner=owner,
            kind=kind,
            after=after,
            limit=limit + 1,
            ascending=ascending,
            statuses=statuses,
            model=model,
        )
        live = self._runner.live
        records = [live[record.id].record if record.id in live else record for record in found[:limit]]
        return records, len(found) > limit

    async def frame(self, job: JobRecord) -> Media | None:
        """The picture that stands for a video."""
        return await self._store.of_job(job.id, "frame")

    def when_taken(self, told: Callable[[LiveJob], None]) -> None:
        """Have *told* called with each unfinished job, and each that is taken from now on."""
        for live in self._runner.live.values():
            told(live)
        self._runner.taken.append(told)

    def when_over(self, told: Callable[[LiveJob], None]) -> None:
        """Have *told* called with each job that ends from now on."""
        self._runner.told.append(told)

    def unfinished(self) -> Counter[tuple[str, ...]]:
        """How many jobs are not over, by mode and status."""
        return Counter((live.record.mode, live.record.status) for live in self._runner.live.values())

    async def wait(self, job_id: str, *, seconds: float) -> bool:
        """Wait until a job is over, at most so long and not into a stop of the server; whether it is over."""
        live = self._runner.live.get(job_id)
        if live is None:
            return True
        waits = [asyncio.ensure_future(event.wait()) for event in (live.over, self._stopping)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return live.over.is_set()

    async def follow(self, job_id: str, *, after: int = 0) -> AsyncGenerator[Numbered, None]:
        """A job's events: milestones behind the number *after*, then all that comes, to the job's end.

        It ends without that one when the server stops.
        """
        live = self._runner.live.get(job_id)
        reader = None if live is None else live.feed.join()
        try:
            last = after
            for milestone in await self._ledger.events(job_id, after=after):
                yield milestone
                last = milestone.number
                if isinstance(milestone.event, Ended):
                    return
            if reader is not None:
                async with aclosing(reader.events(after=last)) as events:
                    async for event in events:
                        yield event
        finally:
            if live is not None and reader is not None:
                live.feed.leave(reader)

    async def cancel(self, job_id: str, *, owner: str) -> JobRecord:
        """End a job now; one that is over stays as it is."""
        job = await self.get(job_id, owner=owner)
        live = self._runner.live.get(job_id)
        if live is not None:
            await asyncio.shield(asyncio.ensure_future(self._runner.cancel(live)))
        return live.record if live is not None else job

    async def cancel_all(self, selection: Selection) -> Collection[str]:
        """End the unfinished jobs of a *selection* now, as if their clients had; their ids."""
        ordered = await order_cancel(self._database, selection)
        await self._cancel_due()
        return ordered

    @property
    def paused(self) -> bool:
        """Whether new jobs are refused because an operator wants that."""
        return self._gate.paused

    async def pause(self, *, on: bool) -> None:
        """Take no new jobs from now on, or take them again. Raises `InvalidValue` where that is pinned."""
        await self._gate.pause(on=on)

    async def look_again(self) -> None:
        """Heed what another process has ordered: a pause of the intake or its end, and jobs to be cancelled."""
        await self._gate.look()
        await self._cancel_due()

    async def _cancel_due(self) -> None:
        due = [self._runner.live[job_id] for job_id in await due_cancels(self._database) if job_id in self._runner.live]
        await asyncio.shield(asyncio.gather(*map(self._runner.cancel, due)))

    async def delete(self, job_id: str, *, owner: str) -> None:
        """Remove a job with its files, prompt and events; a running one is cancelled first.

        Of tasks that go on at an engine, what is needed to see to them stays until they have ended.
        """
        await self.cancel(job_id, owner=owner)
        await asyncio.shield(asyncio.ensure_future(self._delete(job_id)))

    async def _delete(self, job_id: str) -> None:
        await self._store.remove((assets.c.job_id == job_id) & (assets.c.role != "character"))
        await self._ledger.delete((job_id,))
        self._recent.pop(job_id, None)

    async def character(self, character_id: str, *, owner: str) -> CharacterRecord:
        return await self._characters.get(owner, character_id)

    async def characters(
        self, *, owner: str, after: str | None, limit: int, ascending: bool
    ) -> tuple[Sequence[CharacterRecord], bool]:
        """At most *limit* characters behind the one with the id *after*, and whether there are more."""
        return await self._characters.page(owner, after=after, limit=limit, ascending=ascending)

    async def forget_character(self, character_id: str, *, owner: str) -> None:
        """Remove a character with its pictures, here and at engines; videos that show it stay."""
        record = await self.character(character_id, owner=owner)
        await self._runner.dismiss(record.character)

    async def clean_up(self) -> int:
        """Remove some of the files that have expired and of the jobs that are over for long; how many there were."""
        in_use = {asset for live in self._runner.live.values() for asset in live.uses()}
        gone = await self._cleaner.jobs(in_use=in_use)
        for job_id in gone:
            self._recent.pop(job_id, None)
        await self._requests.forget()
        return len(gone) + await self._cleaner.files(in_use=in_use)
