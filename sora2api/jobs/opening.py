"""Putting the parts together that work jobs: opened in order, closed in reverse."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from sora2api.accounts import AccountBook, Engines, Health, Pool
from sora2api.catalog import Catalog
from sora2api.jobs.aftercare import Aftercare
from sora2api.jobs.carry import Carrier
from sora2api.jobs.characters import CharacterBook
from sora2api.jobs.cleaning import Cleaner
from sora2api.jobs.deadlines import Deadlines
from sora2api.jobs.fetch import Fetches
from sora2api.jobs.intake import Intake
from sora2api.jobs.jobs import Jobs
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.lost import LostSubmits
from sora2api.jobs.once import Requests
from sora2api.jobs.poller import Pollers
from sora2api.jobs.runner import Lifetimes, Runner
from sora2api.jobs.steering import Gate
from sora2api.jobs.submit import Submits
from sora2api.jobs.tally import Tally
from sora2api.jobs.tasks import Tasks
from sora2api.jobs.usage import UsageBook
from sora2api.jobs.workers import Worker
from sora2api.media.store import MediaStore
from sora2api.modes import Mode
from sora2api.notify import Deliveries
from sora2api.settings import Settings
from sora2api.store.database import Database

_FILES_AN_UPLOAD = 4
"""How much larger than an upload what an engine makes may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What jobs stand on. *versions* are those of the *modes*; *http* is for calls of the modes' own, *sandbox* keeps
    the built-in sandbox running.

    *pinned* are the names of the settings that stand above the database.
    """

    settings: Settings
    database: Database
    store: MediaStore
    book: AccountBook
    engines: Engines
    pool: Pool
    health: Health
    catalog: Catalog
    modes: Mapping[str, Mode]
    versions: Mapping[str, str]
    deliveries: Deliveries
    http: Callable[[], aiohttp.ClientSession]
    sandbox: Callable[[], AbstractAsyncContextManager[None]]
    pinned: Collection[str] = ()


@asynccontextmanager
async def opened(on: Ground) -> AsyncIterator[Jobs]:
    """All jobs, with those that are unfinished taken up; on leaving they are left for the next start."""
    ledger = Ledger(on.database, on.deliveries)
    characters = CharacterBook(on.database, on.store)
    requests = Requests(on.database)
    tally = Tally(UsageBook(on.database))
    await tally.load()
    async with AsyncExitStack() as stack:
        worker = Worker(on.database)
        stack.push_async_callback(worker.close)
        await worker.open()
        pollers = Pollers(on.book, on.engines, longest=on.settings.poll_interval)
        stack.push_async_callback(pollers.close)
        lost = LostSubmits(on.book, on.engines, ledger, interval=on.settings.lookup_interval)
        aftercare = Aftercare(book=on.book, engines=on.engines, pool=on.pool, pollers=pollers, lost=lost, ledger=ledger)
        stack.push_async_callback(aftercare.close)
        tasks = _tasks(on, stack, ledger, pollers, lost)
        runner = _runner(on, tasks, ledger, characters, aftercare, requests, tally)
        stack.push_async_callback(runner.close)
        await runner.open()
        yield _jobs(on, runner, ledger, characters, requests, tally, worker, polls=pollers.outcomes)


def _tasks(on: Ground, stack: AsyncExitStack, ledger: Ledger, pollers: Pollers, lost: LostSubmits) -> Tasks:
    submits = Submits(
        book=on.book, engines=on.engines, health=on.health, lost=lost, ledger=ledger, tries=on.settings.tries
    )
    stack.push_async_callback(submits.close, patience=on.settings.shutdown_timeout)
    fetches = Fetches(
        book=on.book,
        engines=on.engines,
        health=on.health,
        pool=on.pool,
        ledger=ledger,
        store=on.store,
        file_size=_FILES_AN_UPLOAD * on.settings.upload_limit,
    )
    return Tasks(
        book=on.book,
        pool=on.pool,
        health=on.health,
        pollers=pollers,
        submits=submits,
        fetches=fetches,
        ledger=ledger,
        queue_timeout=on.settings.queue_timeout,
        tries=on.settings.tries,
    )


def _runner(
    on: Ground,
    tasks: Tasks,
    ledger: Ledger,
    characters: CharacterBook,
    aftercare: Aftercare,
    requests: Requests,
    tally: Tally,
) -> Runner:
    carrier = Carrier(
        pool=on.pool,
        tasks=tasks,
        ledger=ledger,
        store=on.store,
        characters=characters,
        patience=on.settings.native_wait,
        modes=on.modes.__getitem__,
    )
    return Runner(
        modes=on.modes,
        carrier=carrier,
        ledger=ledger,
        store=on.store,
        characters=characters,
        book=on.book,
        engines=on.engines,
        pool=on.pool,
        aftercare=aftercare,
        requests=requests,
        tally=tally,
        lifetimes=Lifetimes(
            outputs=on.settings.output_lifetime,
            inputs=on.settings.input_lifetime,
            mode_missing=on.settings.queue_timeout,
        ),
        deadlines=Deadlines(on.settings.deadlines, on.modes),
        http=on.http,
    )


def _jobs(
    on: Ground,
    runner: Runner,
    ledger: Ledger,
    characters: CharacterBook,
    requests: Requests,
    tally: Tally,
    worker: Worker,
    *,
    polls: Mapping[str, int],
) -> Jobs:
    intake = Intake(
        modes=on.modes,
        versions=on.versions,
        ledger=ledger,
        store=on.store,
        characters=characters,
        catalog=on.catalog,
        tally=tally,
        share=on.settings.sharing,
        worker=worker.id,
    )
    return Jobs(
        database=on.database,
        intake=intake,
        runner=runner,
        ledger=ledger,
        store=on.store,
        pool=on.pool,
        requests=requests,
        characters=characters,
        tally=tally,
        cleaner=Cleaner(on.database, on.store, ledger, job_lifetime=on.settings.job_lifetime),
        sandbox=on.sandbox,
        gate=Gate(on.database, paused=on.settings.paused, pinned="paused" in on.pinned),
        queue_limit=on.settings.queue_limit,
        polls=polls,
    )
