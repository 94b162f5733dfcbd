"""A real book of accounts on a real database, with a driver that answers what a test tells it to."""

import time
from collections.abc import AsyncIterator

import pytest
from msgspec import Struct

from sora2api.accounts import AccountBook, Engines, Health, Pool, ProxyBook
from sora2api.drivers import API_VERSION, Driver, EngineModel, TaskState
from sora2api.egress import GuardedFetch, Sessions
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate
from sora2api.store.secrets import Secrets

VIDEO = EngineModel(name="wan", capabilities=frozenset({"clip", "first_frame", "list"}))
IMAGE = EngineModel(name="flux", capabilities=frozenset({"image"}))


class Settings(Struct):
    pass


class Told(Driver):
    """A driver without an engine: its answers are class attributes that a test sets."""

    kind = "told"
    api_version = API_VERSION
    settings_type = Settings
    answer: Exception | None = None
    listed: tuple[TaskState, ...] = ()

    async def check(self):
        if type(self).answer is not None:
            raise type(self).answer
        return (VIDEO, IMAGE)

    async def submit(self, work):
        raise AssertionError("nothing is submitted in these tests")

    async def poll(self, tasks):
        return {}

    async def fetch(self, task, output, *, offset=0):
        yield b""

    async def recent(self, *, since):
        return type(self).listed


class Accounts:
    """The parts that belong together."""

    def __init__(self, database: Database, folder, sessions: Sessions, kind: type[Driver]) -> None:
        self.database = database
        self.kind = kind
        self.vault = Secrets.open(folder)
        self.book = AccountBook(database, self.vault)
        self.proxies = ProxyBook(database, self.vault)
        self.engines = Engines({"told": kind}, sessions, book=self.book, proxies=self.proxies, fetch=GuardedFetch())
        self.pool = Pool(self.book, self.engines, sandbox=False, strategy="least_busy")
        self.health = Health(self.book, self.engines, self.pool)

    async def add(self, name: str, *, slots: int = 1, **fields):
        usual = {"base_url": "http://127.0.0.1:1", "image_slots": slots, "video_slots": slots, "token": None}
        account = await self.book.add(name=name, driver="told", **(usual | fields))
        await self.book.note(account.id, models=(VIDEO, IMAGE), checked_at=time.time())
        return self.book.get(account.id)


@pytest.fixture
async def accounts(tmp_path) -> AsyncIterator[Accounts]:
    migrate(tmp_path)
    database = Database(tmp_path / FILE)
    sessions = Sessions()
    yield Accounts(database, tmp_path, sessions, type("Told", (Told,), {}))
    await sessions.close()
    await database.close()
