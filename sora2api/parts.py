"""Opens the parts of the server, each made once and in order; what they do by themselves goes on until they close."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sora2api.accounts import AccountBook, Engines, Health, Pool, ProxyBook
from sora2api.accounts.book import SANDBOX
from sora2api.accounts.daily import DailyUse
from sora2api.accounts.probes import Probes
from sora2api.accounts.proxy_watch import ProxyWatch
from sora2api.auth.address import networks
from sora2api.auth.first_start import FirstStart, Issued
from sora2api.auth.keys import KeyBook
from sora2api.catalog import Catalog
from sora2api.egress import GuardedFetch, Sessions
from sora2api.egress.trace import Call, Trace
from sora2api.errors import EngineError
from sora2api.jobs import Jobs
from sora2api.jobs.opening import Ground, opened
from sora2api.jobs.troubles import Troubles
from sora2api.media.store import MediaStore
from sora2api.media.workshop import Workshop
from sora2api.modes import Mode
from sora2api.notify import Alerts, Deliveries, Endpoints, Sender, Signer, Webhooks
from sora2api.observe.log import RequestLog
from sora2api.observe.metrics import Metrics
from sora2api.observe.tracing import open_traces
from sora2api.registry import Registry
from sora2api.sandbox.child import SandboxChild
from sora2api.settings import InForce, Loaded, Settings
from sora2api.store.database import Database
from sora2api.store.secrets import Secrets
from sora2api.store.watch import Reload, RevisionWatch
from sora2api.supervision import keep_at

if TYPE_CHECKING:
    from sora2api.observe.traces import Traces

log = logging.getLogger(__name__)

_CLEAN_EVERY: Final = 60.0
_NOTE_USES_EVERY: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is there before any part: the data directory and its database, the settings, the plugins, the secrets."""

    folder: Path
    in_force: InForce
    database: Database
    registry: Registry
    vault: Secrets

    @property
    def settings(self) -> Settings:
        return self.in_force.settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """How the server reaches others. *fetch* is for links that clients give, *own* for URLs of the operator's."""

    sessions: Sessions
    proxies: ProxyBook
    fetch: GuardedFetch
    own: GuardedFetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The pool and what belongs to it."""

    book: AccountBook
    proxies: ProxyBook
    probes: Probes
    engines: Engines
    pool: Pool
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The open parts of a server. *issued* is what took the place of the defaults at this start."""

    base: Base
    first_start: FirstStart
    issued: Issued | None
    keys: KeyBook
    store: MediaStore
    outbound: Outbound
    requests: RequestLog
    metrics: Metrics
    traces: "Traces | None"
    accounts: Accounts
    catalog: Catalog
    modes: Mapping[str, Mode]
    webhooks: Webhooks
    sandbox: SandboxChild
    jobs: Jobs


async def open_parts(
    stack: AsyncExitStack,
    *,
    folder: Path,
    loaded: Loaded,
    database: Database,
    registry: Registry,
    hosts: Sequence[str],
) -> Parts:
    """All parts, of a server that will listen on *hosts*.

    When the *stack* is left, they are closed in reverse, and unfinished jobs are left as they are.
    """
    vault = await asyncio.to_thread(Secrets.open, folder)
    base = Base(folder=folder, in_force=InForce(loaded), database=database, registry=registry, vault=vault)
    first_start, issued = await FirstStart.open(database, folder, hosts=hosts)
    keys = await _keys(stack, database)
    store = await _store(stack, base)
    traces = _traces(stack)
    outbound = await _outbound(stack, base, traces)
    requests = _requests(stack, base)
    metrics = Metrics()
    accounts = await _accounts(stack, base, outbound, _trace(base, requests, metrics, traces))
    catalog = Catalog(registry, accounts.pool, database)
    await catalog.load()
    modes = await _modes(stack, registry)
    webhooks = await _webhooks(stack, base, outbound)
    sandbox = _sandbox(stack, base, accounts)
    ground = _ground(base, store, outbound, accounts, catalog, modes, webhooks.deliveries, sandbox)
    jobs = await stack.enter_async_context(opened(ground))
    keep(stack, partial(_serve_sandbox, sandbox, base, accounts, jobs), name="sandbox wanted")
    jobs.when_over(lambda job: requests.ended(job.id))
    keep(stack, partial(_clean, jobs, webhooks.deliveries, requests), name="cleaning")
    await _alert(stack, base, accounts, store, webhooks.deliveries)
    return Parts(
        base=base,
        first_start=first_start,
        issued=issued,
        keys=keys,
        store=store,
        outbound=outbound,
        requests=requests,
        metrics=metrics,
        traces=traces,
        accounts=accounts,
        catalog=catalog,
        modes=modes,
        webhooks=webhooks,
        sandbox=sandbox,
        jobs=jobs,
    )


async def watch(stack: AsyncExitStack, parts: Parts, *others: Reload) -> RevisionWatch:
    """Look again, from now on, at what another process has changed; *others* look too."""
    accounts = parts.accounts

    async def reload_accounts() -> None:
        await accounts.book.load()
        await accounts.proxies.load()
        accounts.pool.look_again()

    changes = RevisionWatch(parts.base.database)
    own = (
        reload_accounts,
        parts.first_start.reload,
        parts.keys.load,
        parts.catalog.load,
        parts.webhooks.endpoints.load,
        parts.jobs.look_again,
    )
    for reload in (*own, *others):
        changes.register(reload)
    return await stack.enter_async_context(changes)


async def _keys(stack: AsyncExitStack, database: Database) -> KeyBook:
    keys = KeyBook(database)
    await keys.load()
    stack.push_async_callback(keys.note_uses)
    keep(stack, partial(_note_uses, keys), name="last use of keys")
    return keys


async def _store(stack: AsyncExitStack, base: Base) -> MediaStore:
    workshop = Workshop()
    stack.push_async_callback(workshop.close)
    store = MediaStore(base.folder, base.database, workshop, reserve=base.settings.disk_reserve)
    await asyncio.to_thread(store.empty_scratch)
    await store.sweep()
    return store


def _traces(stack: AsyncExitStack) -> "Traces | None":
    """What makes traces, if they are wanted; it closes behind all else."""
    made = open_traces()
    if made is not None:
        stack.push_async_callback(asyncio.to_thread, made.close)
    return made


async def _outbound(stack: AsyncExitStack, base: Base, traces: "Traces | None") -> Outbound:
    settings = base.settings
    sessions = Sessions(watched=[traces.carry()] if traces is not None and settings.trace_engines else ())
    stack.push_async_callback(sessions.close)
    proxies = ProxyBook(base.database, base.vault, default=settings.default_proxy, failure=settings.proxy_failure)
    await proxies.load()
    return Outbound(
        sessions=sessions,
        proxies=proxies,
        fetch=GuardedFetch(allow=networks(settings.fetch_allow), route=proxies.default_route),
        own=GuardedFetch(allow=networks(("0.0.0.0/0", "::/0")), route=proxies.default_route),
    )


def _requests(stack: AsyncExitStack, base: Base) -> RequestLog:
    """The log of requests; what is left of it at a stop is written when all else has closed."""
    settings = base.settings
    requests = RequestLog(
        base.database, prompts=settings.log_prompts, lifetime=settings.log_lifetime, size=settings.log_size
    )
    stack.push_async_callback(requests.flush)
    keep(stack, requests.run, name="log of requests")
    return requests


def _trace(base: Base, requests: RequestLog, metrics: Metrics, traces: "Traces | None") -> Trace:
    """What is told of each call to an engine."""
    observers: list[Trace] = [metrics.called]
    if base.settings.log_requests:
        observers.append(requests.call)
    if traces is not None:
        observers.append(traces.called)

    def told(call: Call) -> None:
        for observer in observers:
            observer(call)

    return told


async def _accounts(stack: AsyncExitStack, base: Base, outbound: Outbound, trace: Trace) -> Accounts:
    settings, proxies = base.settings, outbound.proxies
    book = AccountBook(base.database, base.vault)
    await book.load()
    engines = Engines(
        base.registry.drivers,
        outbound.sessions,
        book=book,
        proxies=proxies,
        fetch=outbound.fetch,
        trace=trace,
    )
    stack.push_async_callback(engines.refreshes.close)
    daily = DailyUse()
    await daily.load(base.database)
    pool = Pool(book, engines, sandbox=settings.sandbox, strategy=settings.strategy, daily=daily)
    health = Health(book, engines, pool)
    keep(stack, health.keep_checking, name="checking accounts")
    probes = Probes(book, proxies)
    keep(stack, ProxyWatch(probes, proxies, book).run, name="watching proxies")
    return Accounts(book=book, proxies=proxies, probes=probes, engines=engines, pool=pool, health=health)


async def _webhooks(stack: AsyncExitStack, base: Base, outbound: Outbound) -> Webhooks:
    """Webhooks, with what delivers them; what is under way at a stop is sent again by the next start."""
    signer = Signer(base.vault)
    endpoints = Endpoints(base.database, signer)
    await endpoints.load()
    deliveries = Deliveries(base.database, endpoints)
    sender = Sender(deliveries, endpoints, signer, outbound.fetch, own=outbound.own)
    keep(stack, sender.run, name="webhooks")
    return Webhooks(endpoints, deliveries, signer, sender)


async def _alert(
    stack: AsyncExitStack, base: Base, accounts: Accounts, store: MediaStore, deliveries: Deliveries
) -> None:
    alerts = Alerts(base.database, deliveries, url=base.settings.alert_url)
    await alerts.load()
    troubles = Troubles(
        book=accounts.book,
        pool=accounts.pool,
        proxies=accounts.proxies,
        store=store,
        queue_limit=base.settings.queue_limit,
    )
    keep(stack, partial(alerts.watch, troubles.now), name="alerts")


async def _modes(stack: AsyncExitStack, registry: Registry) -> Mapping[str, Mode]:
    modes = {name: mode() for name, mode in registry.modes.items()}
    for mode in modes.values():
        await mode.open()
        stack.push_async_callback(mode.close)
    return modes


def _ground(
    base: Base,
    store: MediaStore,
    outbound: Outbound,
    accounts: Accounts,
    catalog: Catalog,
    modes: Mapping[str, Mode],
    deliveries: Deliveries,
    sandbox: SandboxChild,
) -> Ground:
    plugins = base.registry.plugins
    return Ground(
        settings=base.settings,
        database=base.database,
        store=store,
        book=accounts.book,
        engines=accounts.engines,
        pool=accounts.pool,
        health=accounts.health,
        catalog=catalog,
        modes=modes,
        versions={plugin.name: plugin.version for plugin in plugins if plugin.status == "ready"},
        deliveries=deliveries,
        http=lambda: outbound.sessions.get(outbound.proxies.default_route().url),
        sandbox=sandbox.held,
        pinned=base.in_force.loaded.pinned(),
    )


def _sandbox(stack: AsyncExitStack, base: Base, accounts: Accounts) -> SandboxChild:
    """The sandbox, not started yet."""
    key = f"sk-{secrets.token_urlsafe(24)}"

    async def ready(url: str) -> None:
        book = accounts.book
        if any(account.id == SANDBOX for account in book.all()):
            await book.change(SANDBOX, base_url=url, token=key)
        else:
            await book.add(
                name=SANDBOX,
                driver="openai",
                base_url=url,
                token=key,
                image_slots=8,
                video_slots=8,
                remake_lost=True,
                settings={"dialect": "sandbox"},
                sandbox=True,
            )
        try:
            await accounts.health.check(book.get(SANDBOX))
        except EngineError as error:
            log.warning("sandbox not well", extra={"code": error.code})

    child = SandboxChild(base.folder, key=key, delay=base.settings.sandbox_delay, ready=ready)
    stack.push_async_callback(child.stop)
    return child


async def _serve_sandbox(child: SandboxChild, base: Base, accounts: Accounts, jobs: Jobs) -> None:
    """Keep the sandbox running as long as it serves, still has tasks of ours, or has been asked for."""
    pool = accounts.pool
    while True:
        busy = pool.in_use(SANDBOX, "image") + pool.in_use(SANDBOX, "video")
        if base.settings.sandbox or not accounts.book.ever_real or busy or jobs.on_sandbox or child.wanted:
            child.start()
        else:
            await child.stop()
        await asyncio.sleep(1)


async def _note_uses(keys: KeyBook) -> None:
    while True:
        await asyncio.sleep(_NOTE_USES_EVERY)
        await keys.note_uses()


async def _clean(jobs: Jobs, deliveries: Deliveries, requests: RequestLog) -> None:
    """Remove what has expired, a little at a time; of what there is much, without looking at the rest each time."""
    while True:
        for clean_up in (jobs.clean_up, deliveries.clean_up, requests.clean_up):
            while await clean_up():
                pass
        await asyncio.sleep(_CLEAN_EVERY)


def keep(stack: AsyncExitStack, work: Callable[[], Awaitable[None]], *, name: str) -> None:
    """Keep at *work*, which has no end, until the server closes."""
    task = asyncio.create_task(keep_at(work, name=name), name=name)

    async def stop() -> None:
        task.cancel()
        await asyncio.wait((task,))

    stack.push_async_callback(stop)
