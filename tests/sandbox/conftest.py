"""A real sandbox process for all tests, and more of them on request; and what clients do with one."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest
from PIL import Image, ImageDraw

COMMAND = [sys.executable, "-m", "sora2api", "sandbox", "--port", "0", "--json", "--until-stdin-closes"]
SMALL = "160x96"


class Process:
    """A sandbox that runs until its standard input closes."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "--data-dir", str(folder), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.url: str = json.loads(self._process.stdout.readline())["url"]

    def kill(self) -> None:
        """As kill -9 does."""
        self._process.kill()
        self._end()

    def stop(self) -> int:
        self._process.stdin.close()
        return self._end()

    def _end(self) -> int:
        code = self._process.wait(timeout=20)
        self._process.stdin.close()
        self._process.stdout.close()
        return code


class Client:
    """Talks to one sandbox as a program with its key does."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json()

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        status, said = await self.ask(method, path, **options)
        assert status == 200, said
        return said

    async def refused(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        status, said = await self.ask(method, path, **options)
        assert {"error"} == set(said)
        assert {"message", "type", "param", "code"} == set(said["error"])
        return status, said["error"]

    async def stats(self) -> Mapping[str, Any]:
        return await self.ok("GET", "/_sandbox/stats")

    async def ended(self, video: Mapping[str, Any]) -> dict[str, Any]:
        while video["status"] in ("queued", "in_progress"):
            await asyncio.sleep(0.03)
            video = await self.ok("GET", f"/v1/videos/{video['id']}")
        return dict(video)

    async def make(self, path: str = "/v1/videos", **values: Any) -> dict[str, Any]:
        """The finished video of a creation by JSON, short and small unless told."""
        if path == "/v1/videos":
            values = {"size": SMALL, "seconds": "0.5", **values}
        made = await self.ended(await self.ok("POST", path, json=values))
        assert made["status"] == "completed", made
        return made

    async def content(self, video: Mapping[str, Any], variant: str = "video") -> bytes:
        async with self.session.get(f"/v1/videos/{video['id']}/content", params={"variant": variant}) as response:
            assert response.status == 200
            return await response.read()

    async def frames(self, video: Mapping[str, Any]) -> list[Image.Image]:
        return decoded(await self.content(video))


def decoded(data: bytes) -> list[Image.Image]:
    with av.open(BytesIO(data)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


@pytest.fixture
def start(tmp_path) -> Iterator[Any]:
    """Starts sandboxes, on a folder of the test unless another is given."""
    running: list[Process] = []

    def started(*options: str, folder: Path = tmp_path) -> Process:
        running.append(Process(folder, *options))
        return running[-1]

    yield started
    for process in running:
        process.stop()


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("shared"), "--delay", "0")
    yield process
    assert process.stop() == 0


@pytest.fixture
async def connect() -> AsyncIterator[Any]:
    sessions: list[aiohttp.ClientSession] = []

    def connected(process: Process, key: str = "sk-sandbox") -> Client:
        headers = {"Authorization": f"Bearer {key}"}
        sessions.append(aiohttp.ClientSession(process.url, headers=headers))
        return Client(sessions[-1])

    yield connected
    for session in sessions:
        await session.close()


@pytest.fixture
def talk() -> type[Client]:
    """Makes a client of a session that the test has opened."""
    return Client


@pytest.fixture
async def client(shared, connect) -> Client:
    """A client of the one sandbox without delay that most tests share."""
    return connect(shared)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """Something with edges and areas, unlike anything that the sandbox draws."""
    picture = Image.new("RGB", (320, 240), "#d8d2c4")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((30, 120, 200, 230), fill="#3d6b35")
    draw.ellipse((170, 20, 290, 140), fill="#c9412b")
    draw.polygon([(20, 110), (80, 15), (150, 110)], fill="#25408f")
    return picture


@pytest.fixture(scope="session")
def photo_bytes(photo) -> bytes:
    return png(photo)


def png(picture: Image.Image) -> bytes:
    data = BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()
