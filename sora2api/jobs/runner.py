"""Working jobs: a task of its own for each, owned by the application and not by the request that asked for it."""

import asyncio
import errno
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from sora2api.accounts import AccountBook, Engines, Pool
from sora2api.egress.trace import JOB
from sora2api.errors import Cancelled, DeadlineExceeded, DiskFull, JobError, ModeFault, ModeMissing, Sora2ApiError
from sora2api.jobs.aftercare import Aftercare
from sora2api.jobs.carry import Carrier
from sora2api.jobs.characters import CharacterBook
from sora2api.jobs.deadlines import Deadlines
from sora2api.jobs.feed import Feed
from sora2api.jobs.ledger import Ledger, Numbered
from sora2api.jobs.live import LiveJob
from sora2api.jobs.once import Requests
from sora2api.jobs.pace import Pace
from sora2api.jobs.records import JobRecord, Status
from sora2api.jobs.tally import Tally
from sora2api.jobs.tasks import failure
from sora2api.media import clips
from sora2api.media.store import MediaStore
from sora2api.modes import Character, Ended, Failure, Media, Mode, Started

log = logging.getLogger(__name__)

_PROGRESS_EVERY: Final = 1.0
_WRITE_AGAIN: Final = 1.0
_GRACE: Final = 60.0
"""So long after a start no job fails for a deadline that passed meanwhile."""


class Lifetimes(Struct, frozen=True, kw_only=True):
    """How long files are kept, and how long a job waits for a mode that is missing; in seconds."""

    outputs: float
    inputs: float
    mode_missing: float


class Runner:
    """Works all unfinished jobs, from `open` on; `close` leaves them to be gone on with by the next start."""

    def __init__(
        self,
        *,
        modes: Mapping[str, Mode],
        carrier: Carrier,
        ledger: Ledger,
        store: MediaStore,
        characters: CharacterBook,
        book: AccountBook,
        engines: Engines,
        pool: Pool,
        aftercare: Aftercare,
        requests: Requests,
        tally: Tally,
        lifetimes: Lifetimes,
        deadlines: Deadlines,
        http: Callable[[], aiohttp.ClientSession],
    ) -> None:
        self.live: dict[str, LiveJob] = {}
        self.taken: list[Callable[[LiveJob], None]] = []
        """What is called with each job that is taken up."""
        self.told: list[Callable[[LiveJob], None]] = []
        """What is called with each job that ends."""
        self.changes = 0
        """Grows with each job that comes, begins or ends."""
        self.pace = Pace()
        self._modes = modes
        self._carrier = carrier
        self._ledger = ledger
        self._store = store
        self._characters = characters
        self._book = book
        self._engines = engines
        self._pool = pool
        self._aftercare = aftercare
        self._requests = requests
        self._tally = tally
        self._lifetimes = lifetimes
        self._deadlines = deadlines
        self._http = http
        self._noted: dict[str, int] = {}
        self._progress: asyncio.Task[None] | None = None
        self._opened_at = 0.0

    # Start and stop.

    async def open(self) -> None:
        """Take up all unfinished jobs, and what finished ones have left at engines."""
        self._opened_at = time.time()
        unfinished = await self._ledger.unfinished()
        jobs = {past.job.id: self._live(past.job, past.events) for past in unfinished}
        for past in unfinished:
            jobs[past.job.id].remembered(past.tasks, past.steps)
        for task in await self._ledger.live_tasks():
            job = jobs.get(task.job_id)
            owner = "" if job is None else job.owner
            self._pool.hold(task.id, account_id=task.account_id, slot=task.slot, owner=owner)
            if job is None:
                self._aftercare.see_to(task)
        for character in await self._characters.left_over():
            await self.dismiss(character)
        for job in jobs.values():
            self._work(job)
        self._progress = asyncio.create_task(self._note_progress(), name="progress")

    def start(self, record: JobRecord, first: Numbered) -> LiveJob:
        """Work a job that has just been stored."""
        job = self._live(record, (first,))
        self._work(job)
        return job

    async def close(self) -> None:
        jobs = self.live.values()
        workers = [work for job in jobs for work in (job.worker, job.stopper) if work is not None]
        if self._progress is not None:
            workers.append(self._progress)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _live(self, record: JobRecord, events: Sequence[Numbered]) -> LiveJob:
        job = LiveJob(
            record,
            feed=Feed(events),
            ledger=self._ledger,
            store=self._store,
            http=self._http,
            carry_out=self._carrier.carry_out,
            on_begun=self._begun,
        )
        self.live[record.id] = job
        self.changes += 1
        self._tally.hold(record)
        for told in self.taken:
            told(job)
        return job

    def _work(self, job: LiveJob) -> None:
        """Work a job, unless its time is over already."""
        if job.record.cancel_at is not None:
            self._stop_at(job, job.record.cancel_at, "cancelled", Cancelled())
        if job.begun_at is not None:
            self._begun(job)
        if job.stopper is None:
            job.worker = asyncio.create_task(self._run(job), name=f"job {job.id}")

    def _begun(self, job: LiveJob) -> None:
        """From here on counts how long the job's mode may take."""
        self.changes += 1
        seconds = self._deadlines.of(job.record.mode)
        if seconds is not None and job.begun_at is not None:
            error = DeadlineExceeded(f"The job took longer than the {seconds:g} s that it may be worked.")
            # what was paid for and made while no server ran is fetched first
            self._stop_at(job, max(job.begun_at + seconds, self._opened_at + min(seconds, _GRACE)), "failed", error)

    def _stop_at(self, job: LiveJob, at: float, status: Status, error: JobError) -> None:
        """Have a job end at that time, if it is not over."""

        def stop() -> None:
            if job.stopper is None:
                job.stopper = asyncio.create_task(self._stop(job, status, error), name=f"stop of {job.id}")

        remaining = at - time.time()
        if remaining <= 0:
            stop()
        else:
            job.timers.append(asyncio.get_running_loop().call_later(remaining, stop))

    # Working one job.

    async def _run(self, job: LiveJob) -> None:
        JOB.set(job.id)
        try:
            mode = await self._mode(job)
            await job.say(Started(mode=mode.name))
            async for event in mode.run(job):
                await job.say(event)
            await self._finish(job)
        except Sora2ApiError as error:
            await self._end(job, "failed", failure(error))
        except OSError as error:
            log.exception("job broke off", extra={"job": job.id})
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            await self._end(job, "failed", failure(DiskFull("The disk is full.") if full else JobError()))
        except SQLAlchemyError:
            log.exception("job broke off", extra={"job": job.id})
            await self._end(job, "failed", failure(JobError("The database failed.")))
        except Exception:  # the job runner: a plugin's fault ends its job and nothing else
            record = job.record
            log.exception("mode failed", extra={"job": job.id, "mode": record.mode, "version": record.mode_version})
            await self._end(job, "failed", failure(ModeFault(f"The plugin {record.mode!r} failed.")))
        else:
            await self._end(job, "completed", None)

    async def _mode(self, job: LiveJob) -> Mode:
        mode = self._modes.get(job.record.mode)
        if mode is None:
            message = f"The plugin {job.record.mode!r} that this job was made by is not installed."
            job.record.waiting_for = message
            await asyncio.sleep(self._lifetimes.mode_missing)
            raise ModeMissing(message)
        return mode

    # The end.

    async def cancel(self, job: LiveJob) -> None:
        """End a job now, at whatever stage it is; nothing happens if it is ending already."""
        await self._stop(job, "cancelled", Cancelled())

    async def _stop(self, job: LiveJob, status: Status, error: JobError) -> None:
        if job.worker is not None and not job.ending:
            job.worker.cancel()
            await asyncio.wait((job.worker,))
        if job.ending:
            await job.over.wait()
        else:
            await self._end(job, status, failure(error))

    async def _end(self, job: LiveJob, status: Status, error: Failure | None) -> None:
        """The job's end. It is not broken off by a cancel that comes too late."""
        job.ending = True
        await asyncio.shield(asyncio.ensure_future(self._close_job(job, status, error)))

    async def _close_job(self, job: LiveJob, status: Status, error: Failure | None) -> None:
        record, now = job.record, time.time()
        for timer in job.timers:
            timer.cancel()
        end: dict[str, Any] = {
            "worker": None,
            "status": status,
            "error": error,
            "completed_at": now,
            "expires_at": now + self._lifetimes.outputs,
            "progress": 100 if status == "completed" else record.progress,
        }
        ended, milestone = msgspec.structs.replace(record, **end), job.feed.number(_ended(status, error))
        while True:
            try:
                await self._ledger.end(ended, milestone, inputs_until=now + self._lifetimes.inputs)
                break
            except SQLAlchemyError:
                log.exception("the end could not be written; trying again", extra={"job": record.id})
                await asyncio.sleep(_WRITE_AGAIN)
        for name, value in end.items():  # from here on it is seen to be over: not before that is written
            setattr(record, name, value)
        self.pace.note(record)
        self._tally.end(record, at=now)
        job.feed.publish(milestone)
        del self.live[record.id]
        self.changes += 1
        job.over.set()
        for told in self.told:
            told(job)
        log.info("job ended", extra={"job": record.id, "status": status, "code": error.code if error else None})
        await self._clear(job)

    async def _finish(self, job: LiveJob) -> None:
        """What a job that made what it was to make is known by."""
        record = job.record
        done = [task for task in job.tasks if task.result is not None]
        record.engine = self._book.get(done[-1].account_id).name if done else None
        video = next((media for media in record.media() if media.kind == "video"), None)
        if video is not None and record.kind == "video":
            record.share_id = f"s_{secrets.token_hex(16)}"
            try:
                await self._keep_frame(job, video)
            except Sora2ApiError as error:
                log.warning("no frame kept", extra={"job": job.id, "code": error.code})

    async def _keep_frame(self, job: LiveJob, video: Media) -> None:
        """One frame of a video outlives its file, so that it can still be remixed, and is its poster."""
        if await self._store.of_job(job.id, "frame") is not None:
            return
        with self._store.scratch() as folder:
            target = folder / "frame.png"
            source = await self._store.path(video)
            await self._store.workshop.run(clips.frame_at, source, target, seconds=(video.seconds or 0.0) / 2)
            await self._store.keep(target, owner=job.owner, job_id=job.id, role="frame")

    async def _clear(self, job: LiveJob) -> None:
        """What a job leaves: tasks at engines that go on without it, and temporary characters."""
        for task in job.tasks:
            if task.ended_at is None:
                self._aftercare.see_to(task)
        for character in await self._characters.temporary(job.id):
            await self.dismiss(character)

    async def dismiss(self, character: Character) -> None:
        """Remove a character with its pictures, and at the engines that know it; live jobs that show it go on."""
        for account_id, called in character.accounts.items():
            self._aftercare.forget(account_id, called)
        used = {asset for job in self.live.values() for asset in job.uses()}
        await self._characters.remove(character, used=used)

    # Progress.

    async def _note_progress(self) -> None:
        """Write down now and then how far jobs are, so that it does not fall over a restart."""
        while True:
            await asyncio.sleep(_PROGRESS_EVERY)
            percents = {job.id: job.record.progress for job in self.live.values() if job.record.progress}
            news = {job_id: percent for job_id, percent in percents.items() if self._noted.get(job_id) != percent}
            try:
                if news:
                    await self._ledger.progress(news)
                await self._requests.note()
            except SQLAlchemyError:
                log.exception("progress not written")
            else:
                self._noted = percents


def _ended(status: Status, error: Failure | None) -> Ended:
    if status == "completed":
        return Ended(status="completed")
    return Ended(status="cancelled" if status == "cancelled" else "failed", error=error)
