"""The panel on a real server, with a real database, and browsers that talk to it over real sockets."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, DummyCookieJar, web
from served import Served

from sora2api.auth.attempts import Attempts
from sora2api.auth.first_start import FirstStart
from sora2api.auth.keys import KeyBook
from sora2api.auth.sessions import Sessions
from sora2api.auth.totp import SecondFactors
from sora2api.observe.reader import LogReader
from sora2api.registry import discover
from sora2api.settings import Settings
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets
from sora2api.web import Panel, keys
from sora2api.web.news import News
from sora2api.web.office import OFFICE, Office

PASSWORD = "correct horse"
SHARE = "s_0123456789abcdef0123456789abcdef"
INSIDE = "/admin/requests"
"""A page for those who are logged in."""


class Server:
    """The panel's surroundings, for a test to change, and where it listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_700_000_000.0
        self.settings = Settings()
        self.shared: dict[str, keys.SharedVideo] = {}
        self.fault: Exception | None = None
        self.url = ""
        self.database: Database
        self.first_start: FirstStart

    async def find(self, share_id: str) -> keys.SharedVideo | None:
        if self.fault is not None:
            raise self.fault
        return self.shared.get(share_id)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    migrate(folder)
    return folder / FILE


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), "--fetch-allow", "127.0.0.0/8") as served:
        asyncio.run(served.prepare())
        yield served


@pytest.fixture
async def server(tmp_path: Path, migrated: Path) -> AsyncIterator[Server]:
    shutil.copy(migrated, tmp_path / FILE)
    server = Server(tmp_path)
    server.database = Database(tmp_path / FILE)
    server.first_start, _issued = await FirstStart.open(server.database, tmp_path, hosts=["127.0.0.1"], environment={})
    app = web.Application()
    Panel().mount(app)
    app[keys.SETTINGS] = lambda: server.settings
    app[keys.SESSIONS] = Sessions(
        server.database,
        server.first_start,
        SecondFactors(server.database, Secrets(b"k" * 32), clock=lambda: server.now),
        clock=lambda: server.now,
        attempts=Attempts(clock=lambda: server.now),
    )
    app[keys.FIRST_START] = server.first_start
    app[OFFICE] = await _office(server)
    app[keys.SHARES] = server
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{site.port}"
    yield server
    await runner.cleanup()
    await server.database.close()


_registry = cache(discover)


async def _office(server: Server) -> Office:
    """What the page INSIDE needs, and nothing else."""
    parts: dict[str, Any] = dict.fromkeys(field.name for field in fields(Office))
    parts |= {"settings": lambda: server.settings, "registry": _registry(), "news": News()}
    parts |= {"keys": KeyBook(server.database), "log": LogReader(server.database), "folder": server.folder}
    return Office(**parts)


class Reply:
    """A page as it arrived; redirects are not followed."""

    def __init__(self, status: int, headers, text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def csrf(self) -> str:
        return re.search(r'name="csrf" value="([^"]+)"', self.text)[1]


class Browser:
    """Keeps cookies, and says where its forms come from, as browsers do."""

    def __init__(self, server: Server, session: ClientSession) -> None:
        self.server = server
        self.session = session

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.send("GET", path, headers=_named(headers))

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Reply:
        return await self.send("POST", path, data=form, headers={"Origin": self.server.url} | _named(headers))

    async def send(self, method: str, path: str, **options: object) -> Reply:
        async with self.session.request(method, self.server.url + path, allow_redirects=False, **options) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.text())

    async def log_in(self, password: str = "admin", **headers: str) -> Reply:
        return await self.post("/admin/login", {"username": "admin", "password": password}, **headers)

    async def settle_in(self) -> None:
        """Log in for the first time, and choose a password."""
        assert (await self.log_in()).status == 303
        form = {"csrf": (await self.get("/admin/password")).csrf, "password": PASSWORD, "again": PASSWORD}
        assert (await self.post("/admin/password", form)).status == 303


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


NewBrowser = Callable[[], Awaitable[Browser]]


@pytest.fixture
async def new_browser(server: Server) -> AsyncIterator[NewBrowser]:
    sessions: list[ClientSession] = []

    async def new_browser(*, cookies: bool = True) -> Browser:
        jar = CookieJar(unsafe=True) if cookies else DummyCookieJar()
        sessions.append(ClientSession(cookie_jar=jar))
        return Browser(server, sessions[-1])

    yield new_browser
    for session in sessions:
        await session.close()


@pytest.fixture
async def browser(new_browser: NewBrowser) -> Browser:
    return await new_browser()
