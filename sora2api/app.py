"""Assembles the server: every part made once, opened in order, closed in reverse."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from sora2api.accounts import AccountBook, Engines, Pool, ProxyBook
from sora2api.accounts import Health as AccountHealth
from sora2api.accounts.book import SANDBOX
from sora2api.accounts.daily import DailyUse
from sora2api.accounts.probes import Probes
from sora2api.accounts.proxy_watch import ProxyWatch
from sora2api.api.cors import Cors
from sora2api.api.middlewares import errors
from sora2api.api.routes import add_routes
from sora2api.api.services import SERVICES, Services
from sora2api.auth.address import networks
from sora2api.auth.audit import Audit
from sora2api.auth.authenticate import Authenticator
from sora2api.auth.first_start import FirstStart, Issued
from sora2api.auth.keys import KeyBook
from sora2api.auth.panel_keys import PanelKeys
from sora2api.auth.sessions import Sessions as PanelSessions
from sora2api.auth.totp import SecondFactors
from sora2api.auth.users import Users
from sora2api.catalog import Catalog
from sora2api.egress import GuardedFetch, Sessions
from sora2api.egress.trace import Trace, untraced
from sora2api.errors import EngineError, Sora2ApiError
from sora2api.jobs import Jobs
from sora2api.jobs.browsing import Browsing
from sora2api.jobs.figures import Figures
from sora2api.jobs.opening import Ground, opened
from sora2api.jobs.settings_book import SettingsBook
from sora2api.jobs.troubles import Troubles
from sora2api.jobs.usage import UsageBook
from sora2api.media.files import FileBook
from sora2api.media.links import Links
from sora2api.media.receiving import Receiving
from sora2api.media.store import MediaStore
from sora2api.media.variants import Variants
from sora2api.media.workshop import Workshop
from sora2api.modes import Mode
from sora2api.notify import Alerts, Deliveries, Endpoints, Sender, Signer, Webhooks, told
from sora2api.observe.doings import Doings
from sora2api.observe.health import Health
from sora2api.observe.history import Histories
from sora2api.observe.log import RequestLog
from sora2api.observe.reader import LogReader
from sora2api.observe.requests import LOG, identify, stamp
from sora2api.registry import Registry
from sora2api.sandbox.child import SandboxChild
from sora2api.settings import Loaded, Settings
from sora2api.store.database import Database
from sora2api.store.secrets import Secrets
from sora2api.store.watch import Reload, RevisionWatch
from sora2api.web import keys as panel_keys
from sora2api.web.news import News
from sora2api.web.office import OFFICE, Office
from sora2api.web.sources import SharedVideos

log = logging.getLogger(__name__)

_ENGINE_FIELDS: Final = ("seed", "negative_prompt", "fps", "num_frames", "num_inference_steps", "guidance_scale")
"""Fields of a request's body that go on to the engine as they are."""
_CLEAN_EVERY: Final = 60.0
_NOTE_USES_EVERY: Final = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """What `serve` runs. *issued* is what took the place of the defaults at this start, to be shown once."""

    app: web.Application
    health: Health
    jobs: Jobs
    first_start: FirstStart
    sandbox: SandboxChild
    issued: Issued | None
    accounts: "_Accounts"

    def sandbox_wanted(self) -> bool:
        """Whether the sandbox is what answers."""
        return self.accounts.pool.sandbox_only or not self.accounts.book.ever_real


@dataclass(frozen=True, slots=True)
class _Accounts:
    book: AccountBook
    proxies: ProxyBook
    probes: Probes
    engines: Engines
    pool: Pool
    health: AccountHealth


@asynccontextmanager
async def assembled(*, folder: Path, loaded: Loaded, database: Database, registry: Registry) -> AsyncIterator[Server]:
    """The server with everything open but its socket. On leaving, unfinished jobs are left for the next start."""
    settings = loaded.settings
    async with AsyncExitStack() as stack:
        vault = await asyncio.to_thread(Secrets.open, folder)
        first_start, issued = await FirstStart.open(database, folder, hosts=(settings.host,))
        keys = KeyBook(database)
        await keys.load()
        stack.push_async_callback(keys.note_uses)
        store = await _store(stack, folder, settings, database)
        sessions = Sessions()
        stack.push_async_callback(sessions.close)
        proxies = ProxyBook(database, vault, default=settings.default_proxy, failure=settings.proxy_failure)
        await proxies.load()
        fetch = GuardedFetch(allow=networks(settings.fetch_allow), route=proxies.default_route)
        requests = _requests(stack, settings, database)
        trace = requests.call if settings.log_requests else untraced
        accounts = await _accounts(stack, settings, database, vault, registry, sessions, proxies, fetch, trace)
        catalog = Catalog(registry, accounts.pool, database)
        await catalog.load()
        modes = await _modes(stack, registry)
        own = GuardedFetch(allow=networks(("0.0.0.0/0", "::/0")), route=proxies.default_route)
        webhooks = await _webhooks(stack, database, vault, fetch, own)
        sandbox = await _sandbox(stack, folder, settings, accounts)
        ground = _ground(
            settings,
            database,
            store,
            accounts,
            catalog,
            modes,
            registry,
            sessions,
            webhooks.deliveries,
            loaded.pinned(),
        )
        jobs = await stack.enter_async_context(opened(ground))
        jobs.when_over(requests.ended)
        links = Links(vault.derived("links"), lifetime=settings.output_lifetime)
        news = News()
        reloads = (
            first_start.reload,
            keys.load,
            catalog.load,
            webhooks.endpoints.load,
            jobs.look_again,
            news.look_again,
        )
        await _watch(stack, database, accounts, reloads)
        _keep(stack, partial(_note_uses, keys), name="last use of keys")
        _keep(stack, partial(_clean, jobs, webhooks.deliveries, requests), name="cleaning")
        await _alert(stack, settings, database, accounts, store, webhooks.deliveries)
        health = _health(jobs, store, database, accounts, registry)
        services = Services(
            settings=settings,
            trusted=networks(settings.trusted_proxies),
            authenticator=Authenticator(keys, first_start),
            catalog=catalog,
            jobs=jobs,
            store=store,
            links=links,
            variants=Variants(store),
            files=FileBook(database, store),
            receiving=Receiving(store, limit=settings.receive_limit),
            fetch=fetch,
            webhooks=webhooks,
            parameters=_parameters(modes),
        )
        app = _application(services, health)
        if settings.log_requests:
            app[LOG] = requests
        factors = SecondFactors(database, vault)
        panel_sessions = PanelSessions(database, first_start, factors)
        app[panel_keys.SETTINGS] = lambda: settings
        app[panel_keys.SESSIONS] = panel_sessions
        app[panel_keys.FIRST_START] = first_start
        app[panel_keys.PANEL_KEYS] = program_keys = PanelKeys(database)
        app[OFFICE] = Office(
            folder=folder,
            settings=lambda: settings,
            jobs=jobs,
            accounts=accounts.book,
            engines=accounts.engines,
            pool=accounts.pool,
            health=accounts.health,
            proxies=accounts.proxies,
            probes=accounts.probes,
            doings=Doings(database),
            keys=keys,
            catalog=catalog,
            registry=registry,
            webhooks=webhooks,
            alerts=partial(told, database),
            store=store,
            links=links,
            audit=Audit(database),
            users=Users(database),
            sessions=panel_sessions,
            factors=factors,
            panel_keys=program_keys,
            news=news,
            usage=UsageBook(database),
            settings_book=SettingsBook(database, folder, loaded),
            requests=requests,
            log=LogReader(database),
            first_start=first_start,
            files=services.files,
            receiving=services.receiving,
            browsing=Browsing(database),
            figures=Figures(database),
            histories=Histories(database),
        )
        app[panel_keys.SHARES] = SharedVideos(jobs, links, on=settings.sharing)
        for mounted in registry.apps.values():
            mounted().mount(app)
        yield Server(app, health, jobs, first_start, sandbox, issued, accounts)


def _application(services: Services, health: Health) -> web.Application:
    app = web.Application(middlewares=[identify, errors], client_max_size=services.settings.json_limit)
    app.on_response_prepare.append(stamp)
    app[SERVICES] = services
    health.add_routes(app)
    add_routes(app)
    Cors(services.settings.cors_origins).set_up(app)
    return app


async def _store(stack: AsyncExitStack, folder: Path, settings: Settings, database: Database) -> MediaStore:
    workshop = Workshop()
    stack.push_async_callback(workshop.close)
    store = MediaStore(folder, database, workshop, reserve=settings.disk_reserve)
    await asyncio.to_thread(store.empty_scratch)
    await store.sweep()
    return store


def _requests(stack: AsyncExitStack, settings: Settings, database: Database) -> RequestLog:
    """The log of requests; what is left of it at a stop is written when all else has closed."""
    requests = RequestLog(
        database, prompts=settings.log_prompts, lifetime=settings.log_lifetime, size=settings.log_size
    )
    stack.push_async_callback(requests.flush)
    _keep(stack, requests.run, name="log of requests")
    return requests


async def _accounts(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    vault: Secrets,
    registry: Registry,
    sessions: Sessions,
    proxies: ProxyBook,
    fetch: GuardedFetch,
    trace: Trace,
) -> _Accounts:
    book = AccountBook(database, vault)
    await book.load()
    engines = Engines(registry.drivers, sessions, book=book, proxies=proxies, fetch=fetch, trace=trace)
    stack.push_async_callback(engines.refreshes.close)
    daily = DailyUse()
    await daily.load(database)
    pool = Pool(book, engines, sandbox=settings.sandbox, strategy=settings.strategy, daily=daily)
    health = AccountHealth(book, engines, pool)
    _keep(stack, health.keep_checking, name="checking accounts")
    probes = Probes(book, proxies)
    _keep(stack, ProxyWatch(probes, proxies, book).run, name="watching proxies")
    return _Accounts(book, proxies, probes, engines, pool, health)


async def _webhooks(
    stack: AsyncExitStack, database: Database, vault: Secrets, fetch: GuardedFetch, own: GuardedFetch
) -> Webhooks:
    """Webhooks, with what delivers them; what is under way at a stop is sent again by the next start."""
    signer = Signer(vault)
    endpoints = Endpoints(database, signer)
    await endpoints.load()
    deliveries = Deliveries(database, endpoints)
    sender = Sender(deliveries, endpoints, signer, fetch, own=own)
    _keep(stack, sender.run, name="webhooks")
    return Webhooks(endpoints, deliveries, signer, sender)


async def _alert(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    accounts: _Accounts,
    store: MediaStore,
    deliveries: Deliveries,
) -> None:
    alerts = Alerts(database, deliveries, url=settings.alert_url)
    await alerts.load()
    troubles = Troubles(
        book=accounts.book,
        pool=accounts.pool,
        proxies=accounts.proxies,
        store=store,
        queue_limit=settings.queue_limit,
    )
    _keep(stack, partial(alerts.watch, troubles.now), name="alerts")


async def _modes(stack: AsyncExitStack, registry: Registry) -> Mapping[str, Mode]:
    modes = {name: mode() for name, mode in registry.modes.items()}
    for mode in modes.values():
        await mode.open()
        stack.push_async_callback(mode.close)
    return modes


def _ground(
    settings: Settings,
    database: Database,
    store: MediaStore,
    accounts: _Accounts,
    catalog: Catalog,
    modes: Mapping[str, Mode],
    registry: Registry,
    sessions: Sessions,
    deliveries: Deliveries,
    pinned: Collection[str],
) -> Ground:
    return Ground(
        settings=settings,
        database=database,
        store=store,
        book=accounts.book,
        engines=accounts.engines,
        pool=accounts.pool,
        health=accounts.health,
        catalog=catalog,
        modes=modes,
        versions={plugin.name: plugin.version for plugin in registry.plugins if plugin.status == "ready"},
        deliveries=deliveries,
        http=lambda: sessions.get(accounts.proxies.default_route().url),
        pinned=pinned,
    )


async def _sandbox(stack: AsyncExitStack, folder: Path, settings: Settings, accounts: _Accounts) -> SandboxChild:
    """The sandbox, kept running as long as it serves or still has tasks of ours."""
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

    child = SandboxChild(folder, key=key, delay=settings.sandbox_delay, ready=ready)
    stack.push_async_callback(child.stop)

    async def keep() -> None:
        while True:
            pool = accounts.pool
            busy = pool.in_use(SANDBOX, "image") + pool.in_use(SANDBOX, "video")
            if settings.sandbox or not accounts.book.ever_real or busy:
                child.start()
            else:
                await child.stop()
            await asyncio.sleep(1)

    _keep(stack, keep, name="sandbox wanted")
    return child


async def _watch(
    stack: AsyncExitStack,
    database: Database,
    accounts: _Accounts,
    others: Sequence[Reload],
) -> None:
    """Look again at what another process has changed."""

    async def reload_accounts() -> None:
        await accounts.book.load()
        await accounts.proxies.load()
        accounts.pool.look_again()

    watch = RevisionWatch(database)
    for reload in (reload_accounts, *others):
        watch.register(reload)
    await stack.enter_async_context(watch)


def _health(jobs: Jobs, store: MediaStore, database: Database, accounts: _Accounts, registry: Registry) -> Health:
    async def draining() -> str | None:
        return "The server is stopping." if jobs.draining else None

    async def disk() -> str | None:
        return None if store.has_room() else "The disk is nearly full."

    def facts() -> dict[str, Any]:
        return {
            "engines": {account.name: account.set_aside or "ready" for account in accounts.pool.in_service()},
            "plugins_set_aside": [
                {"name": plugin.name, "distribution": plugin.distribution, "reason": plugin.reason}
                for plugin in registry.plugins
                if plugin.status == "set_aside"
            ],
        }

    return Health((draining, database.trouble, disk), facts)


def _parameters(modes: Mapping[str, Mode]) -> frozenset[str]:
    """The body's fields that some mode understands, or that go on to the engine."""
    declared = (mode.parameters.__struct_fields__ for mode in modes.values() if mode.parameters is not None)
    return frozenset(_ENGINE_FIELDS).union(*declared)


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


def _keep(stack: AsyncExitStack, work: Callable[[], Awaitable[None]], *, name: str) -> None:
    """Run *work*, which has no end, until the server closes; if it is broken off, that is said and it begins anew."""

    async def keep() -> None:
        while True:
            try:
                await work()
            except (SQLAlchemyError, OSError, Sora2ApiError):
                log.exception("broken off", extra={"work": name})
                await asyncio.sleep(1)

    task = asyncio.create_task(keep(), name=name)

    async def stop() -> None:
        task.cancel()
        await asyncio.wait((task,))

    stack.push_async_callback(stop)
