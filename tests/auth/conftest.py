"""A database in a folder of its own, and callers from near and far."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sora2api.auth.address import Caller
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate

LOCAL = Caller("127.0.0.1", "http", "127.0.0.1:8000", local=True)
REMOTE = Caller("203.0.113.9", "https", "video.example", local=False)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    migrate(folder)
    return folder / FILE


@pytest.fixture
def folder(tmp_path: Path, migrated: Path) -> Path:
    shutil.copy(migrated, tmp_path / FILE)
    return tmp_path


@pytest.fixture
async def database(folder: Path) -> AsyncIterator[Database]:
    database = Database(folder / FILE)
    yield database
    await database.close()


@pytest.fixture
def local() -> Caller:
    return LOCAL


@pytest.fixture
def remote() -> Caller:
    return REMOTE
