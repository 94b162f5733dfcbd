"""The parts of the server that the panel works with."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from sora2api.accounts import AccountBook, Engines, Health, Pool, ProxyBook
from sora2api.accounts.probes import Probes
from sora2api.auth.audit import Audit
from sora2api.auth.first_start import FirstStart
from sora2api.auth.keys import KeyBook
from sora2api.auth.panel_keys import PanelKeys
from sora2api.auth.sessions import Sessions
from sora2api.auth.totp import SecondFactors
from sora2api.auth.users import Users
from sora2api.catalog import Catalog
from sora2api.jobs import Jobs
from sora2api.jobs.browsing import Browsing
from sora2api.jobs.figures import Figures
from sora2api.jobs.settings_book import SettingsBook
from sora2api.jobs.usage import UsageBook
from sora2api.media.files import FileBook
from sora2api.media.links import Links
from sora2api.media.receiving import Receiving
from sora2api.media.store import MediaStore
from sora2api.notify import Told, Webhooks
from sora2api.observe.doings import Doings
from sora2api.observe.history import Histories
from sora2api.observe.log import RequestLog
from sora2api.observe.reader import LogReader
from sora2api.registry import Registry
from sora2api.settings import Settings
from sora2api.web.drafts import Drafts
from sora2api.web.news import News
from sora2api.web.roll import Roll


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What pages and operations read and change. *settings* are those in force now."""

    folder: Path
    settings: Callable[[], Settings]
    jobs: Jobs
    accounts: AccountBook
    engines: Engines
    pool: Pool
    roll: Roll
    health: Health
    proxies: ProxyBook
    probes: Probes
    doings: Doings
    keys: KeyBook
    catalog: Catalog
    registry: Registry
    webhooks: Webhooks
    alerts: Callable[[], Awaitable[Sequence[Told]]]
    store: MediaStore
    links: Links
    audit: Audit
    users: Users
    sessions: Sessions
    factors: SecondFactors
    panel_keys: PanelKeys
    news: News
    usage: UsageBook
    settings_book: SettingsBook
    requests: RequestLog
    log: LogReader
    first_start: FirstStart
    files: FileBook
    receiving: Receiving
    browsing: Browsing
    figures: Figures
    histories: Histories
    drafts: Drafts = field(default_factory=Drafts)


OFFICE: Final = web.AppKey("OFFICE", Office)
