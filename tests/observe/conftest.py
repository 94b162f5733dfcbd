"""A database with a log, and servers whose log is looked at."""

import json
import sqlite3
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rig import Rig
from running import Running

from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate

PATIENCE = 20.0
SMALL = {"model": "sora-video", "size": "160x96", "seconds": 1}


class Logged:
    """A running server with a client, and what its log says."""

    def __init__(self, url: str, folder: Path, key: str = "han1234") -> None:
        self.url = url
        self.folder = folder
        self.http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.folder / FILE)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, values)]

    def until(self, found: Callable[[], Any]) -> Any:
        """What is found once something is: the log is written a little later."""
        end = time.monotonic() + PATIENCE
        while not (there := found()):
            assert time.monotonic() < end
            time.sleep(0.05)
        return there

    def row(self, reply: httpx2.Response, *, where: str = "true") -> dict[str, Any]:
        """The request that had this *reply*, as soon as what is asked of its row holds."""
        query = f"select * from requests where id = ? and {where}"
        return self.until(lambda: self.rows(query, reply.headers["x-request-id"]))[0]

    def bodies(self, reply: httpx2.Response) -> list[Any]:
        """What is kept of the request and of the reply."""
        kept = self.rows(
            "select request, reply from request_bodies where request_id = ?", reply.headers["x-request-id"]
        )
        return [None if body is None else json.loads(zlib.decompress(body)) for row in kept for body in row.values()]

    def chat(self, prompt: str, **fields: Any) -> httpx2.Response:
        body = {**SMALL, "messages": [{"role": "user", "content": prompt}], **fields}
        return self.http.post("/v1/chat/completions", json=body)

    def done(self, job_id: str) -> dict[str, Any]:
        """A video once it is over."""

        def over() -> Any:
            video = self.http.get(f"/v1/videos/{job_id}").json()
            return video if video["status"] in ("completed", "failed") else None

        return self.until(over)


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[Logged]:
    folder = tmp_path_factory.mktemp("logged")
    with Running("serve", folder, "--sandbox-delay", "0") as running:
        server = Logged(running.url, folder)
        with server.http:
            yield server


@pytest.fixture
def looking() -> Iterator[Callable[..., Logged]]:
    """Looks at what a server that runs logs."""
    with ExitStack() as stack:

        def look(url: str, folder: Path, key: str = "han1234") -> Logged:
            logged = Logged(url, folder, key)
            stack.enter_context(logged.http)
            return logged

        yield look


@pytest.fixture
def serving(tmp_path, looking) -> Iterator[Callable[..., Logged]]:
    """Starts a server with options of its own."""
    with ExitStack() as stack:

        def start(*options: str) -> Logged:
            running = Running("serve", tmp_path / "data", "--sandbox-delay", "0", *options)
            stack.enter_context(running)
            return looking(running.url, tmp_path / "data")

        yield start


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A server and its engine, not yet started."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
async def database(tmp_path) -> AsyncIterator[Database]:
    migrate(tmp_path)
    database = Database(tmp_path / FILE)
    yield database
    await database.close()
