"""Assembles the server: its open parts, put into one aiohttp application."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web

from sora2api.api.cors import Cors
from sora2api.api.middlewares import errors
from sora2api.api.routes import add_routes
from sora2api.api.services import SERVICES, Services
from sora2api.auth.address import among, networks
from sora2api.auth.audit import Audit
from sora2api.auth.authenticate import Authenticator
from sora2api.auth.first_start import FirstStart, Issued
from sora2api.auth.panel_keys import PanelKeys
from sora2api.auth.sessions import Sessions
from sora2api.auth.totp import SecondFactors
from sora2api.auth.users import Users
from sora2api.errors import Unauthenticated
from sora2api.jobs import Jobs
from sora2api.jobs.browsing import Browsing
from sora2api.jobs.figures import Figures
from sora2api.jobs.settings_book import SettingsBook
from sora2api.jobs.usage import UsageBook
from sora2api.measured import measure
from sora2api.media.files import FileBook
from sora2api.media.links import Links
from sora2api.media.receiving import Receiving
from sora2api.media.variants import Variants
from sora2api.modes import Mode
from sora2api.notify import told
from sora2api.observe.doings import Doings
from sora2api.observe.health import Health, Knows, seldom
from sora2api.observe.history import Histories
from sora2api.observe.monitoring import Monitoring
from sora2api.observe.reader import LogReader
from sora2api.observe.requests import LOG, identify, stamp
from sora2api.parts import Parts, open_parts, watch
from sora2api.registry import Registry
from sora2api.sandbox.child import SandboxChild
from sora2api.settings import Loaded
from sora2api.store.database import Database
from sora2api.store.migrate import trouble as schema_trouble
from sora2api.store.watch import RevisionWatch
from sora2api.web import keys as panel_keys
from sora2api.web.news import News
from sora2api.web.office import OFFICE, Office
from sora2api.web.openapi import described
from sora2api.web.roll import Roll
from sora2api.web.sources import SharedVideos

_ENGINE_FIELDS: Final = ("seed", "negative_prompt", "fps", "num_frames", "num_inference_steps", "guidance_scale")
"""Fields of a request's body that go on to the engine as they are."""


@dataclass(frozen=True, slots=True)
class Server:
    """What `serve` runs. *issued* is what took the place of the defaults at this start, to be shown once."""

    app: web.Application
    health: Health
    jobs: Jobs
    first_start: FirstStart
    sandbox: SandboxChild
    issued: Issued | None
    parts: Parts
    changes: RevisionWatch

    def sandbox_wanted(self) -> bool:
        """Whether the sandbox is what answers."""
        accounts = self.parts.accounts
        return accounts.pool.sandbox_only or not accounts.book.ever_real


@asynccontextmanager
async def assembled(
    *, folder: Path, loaded: Loaded, database: Database, registry: Registry, hosts: Sequence[str] = ()
) -> AsyncIterator[Server]:
    """The server with everything open but its socket. On leaving, unfinished jobs are left for the next start.

    It will listen on *hosts*; none: on the host that the settings name.
    """
    async with AsyncExitStack() as stack:
        parts = await open_parts(
            stack,
            folder=folder,
            loaded=loaded,
            database=database,
            registry=registry,
            hosts=hosts or (loaded.settings.host,),
        )
        measure(stack, parts)
        services = _services(parts)
        office = _office(parts, services)
        monitoring = _monitoring(parts, services)
        health = _health(parts, partial(_knows, monitoring, office))
        changes = await watch(stack, parts, office.news.look_again)
        app = _application(services, health)
        monitoring.set_up(app)
        if parts.traces is not None:
            app.middlewares.insert(0, parts.traces.serve)
        if loaded.settings.log_requests:
            app[LOG] = parts.requests
        _furnish(app, parts, office)
        for mounted in registry.apps.values():
            mounted().mount(app)
        yield Server(app, health, parts.jobs, parts.first_start, parts.sandbox, parts.issued, parts, changes)


def _application(services: Services, health: Health) -> web.Application:
    app = web.Application(middlewares=[identify, errors], client_max_size=services.settings.json_limit)
    app.on_response_prepare.append(stamp)
    app[SERVICES] = services
    health.add_routes(app)
    add_routes(app, also=described)
    Cors(services.settings.cors_origins).set_up(app)
    return app


def _monitoring(parts: Parts, services: Services) -> Monitoring:
    settings = services.settings

    def near(request: web.BaseRequest) -> bool:
        caller = services.caller(request)
        return caller.local or among(caller.address, networks(services.settings.monitor_allow))

    return Monitoring(parts.metrics, who=settings.metrics, token=settings.metrics_token, near=near)


async def _knows(monitoring: Monitoring, office: Office, request: web.Request) -> bool:
    """Whether who asks may see the inside of the server: those who watch over it, and programs of administrators."""
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if monitoring.knows(request):
        return True
    try:
        return scheme.lower() == "bearer" and (await office.panel_keys.find(secret)).role == "administrator"
    except Unauthenticated:
        return False


def _services(parts: Parts) -> Services:
    """What the API stands on."""
    settings, database, store = parts.base.settings, parts.base.database, parts.store
    return Services(
        in_force=parts.base.in_force,
        authenticator=Authenticator(parts.keys, parts.first_start),
        catalog=parts.catalog,
        jobs=parts.jobs,
        store=store,
        links=Links(parts.base.vault.derived("links"), lifetime=settings.output_lifetime),
        variants=Variants(store),
        files=FileBook(database, store),
        receiving=Receiving(store, limit=settings.receive_limit),
        fetch=parts.outbound.fetch,
        webhooks=parts.webhooks,
        parameters=_parameters(parts.modes),
    )


def _office(parts: Parts, services: Services) -> Office:
    """What the panel works with."""
    base, accounts = parts.base, parts.accounts
    factors = SecondFactors(base.database, base.vault)
    return Office(
        folder=base.folder,
        settings=lambda: base.settings,
        jobs=parts.jobs,
        accounts=accounts.book,
        engines=accounts.engines,
        pool=accounts.pool,
        roll=Roll(accounts.book, accounts.pool),
        health=accounts.health,
        proxies=accounts.proxies,
        probes=accounts.probes,
        doings=Doings(base.database),
        keys=parts.keys,
        catalog=parts.catalog,
        registry=base.registry,
        webhooks=parts.webhooks,
        alerts=partial(told, base.database),
        store=parts.store,
        links=services.links,
        audit=Audit(base.database),
        users=Users(base.database),
        sessions=Sessions(base.database, parts.first_start, factors),
        factors=factors,
        panel_keys=PanelKeys(base.database),
        news=News(),
        usage=UsageBook(base.database),
        settings_book=SettingsBook(base.database, base.folder, base.in_force),
        requests=parts.requests,
        log=LogReader(base.database),
        first_start=parts.first_start,
        files=services.files,
        receiving=services.receiving,
        browsing=Browsing(base.database),
        figures=Figures(base.database),
        histories=Histories(base.database),
    )


def _furnish(app: web.Application, parts: Parts, office: Office) -> None:
    """Give the panel, and whatever else is mounted, what it asks the application for."""
    app[OFFICE] = office
    app[panel_keys.SETTINGS] = office.settings
    app[panel_keys.SESSIONS] = office.sessions
    app[panel_keys.FIRST_START] = parts.first_start
    app[panel_keys.PANEL_KEYS] = office.panel_keys
    app[panel_keys.SHARES] = SharedVideos(parts.jobs, office.links, on=parts.base.settings.sharing)


def _health(parts: Parts, knows: Knows) -> Health:
    database = parts.base.database

    async def draining() -> str | None:
        return "The server is stopping." if parts.jobs.draining else None

    async def disk() -> str | None:
        return None if parts.store.has_room() else "The disk is nearly full."

    def facts() -> dict[str, Any]:
        return {
            "engines": {account.name: account.set_aside or "ready" for account in parts.accounts.pool.in_service()},
            "plugins": [plugin.name for plugin in parts.base.registry.plugins if plugin.status == "ready"],
            "plugins_set_aside": [
                {"name": plugin.name, "distribution": plugin.distribution, "reason": plugin.reason}
                for plugin in parts.base.registry.plugins
                if plugin.status == "set_aside"
            ],
        }

    checks = (draining, seldom(database.trouble, seconds=1.0), partial(schema_trouble, database), disk)
    return Health(checks, facts, knows=knows)


def _parameters(modes: Mapping[str, Mode]) -> frozenset[str]:
    """The body's fields that some mode understands, or that go on to the engine."""
    declared = (mode.parameters.__struct_fields__ for mode in modes.values() if mode.parameters is not None)
    return frozenset(_ENGINE_FIELDS).union(*declared)
