"""A server as its users have it: a process of its own, asked over HTTP, its files decoded."""

import base64
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import copy
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx2
import pytest
from PIL import Image, ImageDraw

KEY = "han1234"
SMALL = {"model": "sora-video", "size": "160x96", "seconds": 1}
LINK = re.compile(r"\((http[^)]+)\)")


class Streamed:
    """A streamed reply, read to its end."""

    def __init__(self, response: httpx2.Response) -> None:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream"
        self.headers = response.headers
        self.lines = list(response.iter_lines())
        self.data = [line[6:] for line in self.lines if line.startswith("data: ")]
        self.heartbeats = sum(line.startswith(":") for line in self.lines)
        self.chunks: list[dict[str, Any]] = [json.loads(data) for data in self.data if data != "[DONE]"]

    def said(self, field: str) -> list[str]:
        """What the chunks say in a *field* of their delta."""
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", ())]
        return [delta[field] for delta in deltas if delta.get(field)]

    @property
    def job(self) -> str:
        return self.chunks[0]["sora2api"]["job"]

    @property
    def outcome(self) -> dict[str, Any]:
        """What the chunk with the content says beside it."""
        return next(chunk for chunk in self.chunks if chunk["choices"][0]["delta"].get("content"))["sora2api"]

    @property
    def error(self) -> dict[str, Any]:
        return next(chunk["error"] for chunk in self.chunks if "error" in chunk)


class Server:
    """`sora2api serve` on a folder, and a client of it."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        key: str = KEY,
        group: bool = False,
        **environment: str,
    ) -> None:
        self.folder = folder
        self._environment = os.environ | environment
        self._log = folder.parent / f"{folder.name}.log"
        command = [sys.executable, "-m", "sora2api", "serve", "--port", "0", "--json", "--data-dir", str(folder)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *options],
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                start_new_session=group,
            )
        announced = self.process.stdout.readline()
        if not announced:
            self.process.stdout.close()
            pytest.fail(f"no server ({self.process.wait(timeout=30)}): {self.log}")
        self.url: str = json.loads(announced)["url"]
        self.http = self.client(key)

    # Asking.

    def client(self, key: str) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def chat(self, content: Any, **fields: Any) -> httpx2.Response:
        """A small video of a second, unless the *fields* say otherwise."""
        return self.http.post("/v1/chat/completions", json=_body(content, fields))

    def stream(self, content: Any, **fields: Any) -> Streamed:
        with self.streaming(content, **fields) as response:
            return Streamed(response)

    @contextmanager
    def streaming(self, content: Any, **fields: Any) -> Iterator[httpx2.Response]:
        body = _body(content, {"stream": True, **fields})
        with self.http.stream("POST", "/v1/chat/completions", json=body) as response:
            yield response

    def begin(self, content: Any = "a slow cat", **fields: Any) -> str:
        """Start a job and leave; its id."""
        with self.streaming(content, **fields) as response:
            first = next(line for line in response.iter_lines() if line.startswith("data: "))
        return json.loads(first[6:])["sora2api"]["job"]

    def job(self, job: str) -> dict[str, Any]:
        response = self.http.get(f"/v1/videos/{job}")
        assert response.status_code == 200, response.text
        return response.json()

    def events(self, job: str, *, after: int | None = None) -> list[dict[str, Any]]:
        """The job's events, to their end."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        with self.http.stream("GET", f"/v1/videos/{job}/events", headers=headers) as response:
            return [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]

    def ended(self, job: str) -> dict[str, Any]:
        """The job when it is over."""
        self.events(job)
        return self.job(job)

    def file(self, link: str) -> bytes:
        """What a link gives to somebody without a key."""
        response = httpx2.get(link, timeout=60)
        assert response.status_code == 200, response.text
        return response.content

    # Looking inside.

    def rows(self, query: str, *, file: str = "sora2api.db") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / file)) as database:
            return database.execute(query).fetchall()

    def traces(self) -> tuple[int, set[Path]]:
        """How many jobs there are, and which files."""
        files = {path for name in ("media", "scratch") for path in (self.folder / name).rglob("*") if path.is_file()}
        return self.rows("select count(*) from jobs")[0][0], files

    @property
    def log(self) -> str:
        return self._log.read_text()

    # Its operator.

    def run(self, *command: str) -> Any:
        """What a command on this server's folder says, as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "sora2api", *command, "--data-dir", str(self.folder), "--json"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.http.close()
        return code

    def stop(self) -> int:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()


def _body(content: Any, fields: dict[str, Any]) -> dict[str, Any]:
    return {**SMALL, "messages": [{"role": "user", "content": content}], **fields}


@contextmanager
def _serving(folder: Path, *options: str, **more: Any) -> Iterator[Server]:
    server = Server(folder, *options, **more)
    try:
        yield server
    finally:
        code = server.stop()
    assert code == 0
    assert "Traceback" not in server.log


@pytest.fixture(scope="session")
def serving():
    """Runs a server for a while, which then ends as it should."""
    return _serving


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """The server that most tests share, whose sandbox is instant."""
    options = ("--sandbox-delay", "0", "--heartbeat", "0.3", "--json-limit", "3000000")
    with _serving(tmp_path_factory.mktemp("instant") / "data", *options) as server:
        yield server


@pytest.fixture(scope="session")
def gentle(tmp_path_factory) -> Iterator[Server]:
    """A server whose videos take a while."""
    with _serving(tmp_path_factory.mktemp("gentle") / "data", "--sandbox-delay", "1.5") as server:
        yield server


@pytest.fixture(scope="session")
def impatient(tmp_path_factory) -> Iterator[Server]:
    """A server that lets nobody wait for a video as long as it takes."""
    options = ("--sandbox-delay", "3", "--wait-limit", "0.7")
    with _serving(tmp_path_factory.mktemp("impatient") / "data", *options) as server:
        yield server


@pytest.fixture(scope="session")
def otherwise(tmp_path_factory) -> Iterator[Server]:
    """A server whose settings are not the defaults."""
    links = ("--public-url", "https://video.example.org/", "--fetch-allow", "127.0.0.0/8")
    options = ("--sandbox-delay", "0", "--chat-video", "html", "--no-chat-chores")
    with _serving(tmp_path_factory.mktemp("otherwise") / "data", *options, *links) as server:
        yield server


@pytest.fixture(scope="module")
def newcomer(server) -> Iterator[Server]:
    """The shared server, to somebody with a key of their own."""
    newcomer = copy(server)
    newcomer.http = server.client(server.run("key", "create", "--name", "newcomer")["key"])
    end = time.monotonic() + 2
    while newcomer.http.get("/v1/models").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    yield newcomer
    newcomer.http.close()


@pytest.fixture(scope="session")
def slow(tmp_path_factory) -> Iterator[Server]:
    """A server whose videos are never ready within a test."""
    options = ("--sandbox-delay", "600", "--heartbeat", "0.2")
    with _serving(tmp_path_factory.mktemp("slow") / "data", *options) as server:
        yield server


@pytest.fixture
def serve(tmp_path) -> Iterator[Any]:
    """Starts servers with options of their own, on one folder unless another is named."""
    started: list[Server] = []

    def start(*options: str, folder: str = "data", **more: Any) -> Server:
        started.append(Server(tmp_path / folder, "--sandbox-delay", "0", *options, **more))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            assert server.stop() == 0
        assert "Traceback" not in server.log


# Files.


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A PNG with edges and areas."""
    picture = Image.new("RGB", (320, 240), "#d8d2c4")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((30, 120, 200, 230), fill="#3d6b35")
    draw.ellipse((170, 20, 290, 140), fill="#c9412b")
    data = BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()


@pytest.fixture(scope="session")
def film() -> bytes:
    """An MP4 of a second: a square on its way across."""
    data = BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(12):
            picture = Image.new("RGB", (320, 240), "#d8d2c4")
            ImageDraw.Draw(picture).rectangle((20 * number, 80, 20 * number + 60, 160), fill="#c9412b")
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return data.getvalue()


@pytest.fixture(scope="session")
def url_of():
    """A file as a data URL."""
    return lambda data, kind: f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.fixture(scope="session")
def picture(photo, url_of) -> dict[str, Any]:
    """A part of a message."""
    return {"type": "image_url", "image_url": {"url": url_of(photo, "image/png")}}


@pytest.fixture(scope="session")
def video(film, url_of) -> dict[str, Any]:
    """A part of a message."""
    return {"type": "video_url", "video_url": {"url": url_of(film, "video/mp4")}}


@pytest.fixture(scope="session")
def text():
    """A part of a message."""
    return lambda words: {"type": "text", "text": words}


@pytest.fixture(scope="session")
def links():
    """The links in a reply's text."""
    return LINK.findall


@pytest.fixture(scope="session")
def look():
    """The kind of a file, its size and its seconds, as a decoder finds them."""

    def looked(data: bytes) -> tuple[str, tuple[int, int], float | None]:
        with av.open(BytesIO(data)) as container:
            sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
            if "mp4" not in container.format.name:
                return container.format.name, sizes[0], None
            return "mp4", sizes[0], len(sizes) / float(container.streams.video[0].average_rate)

    return looked


@pytest.fixture(scope="session")
def frames():
    """All pictures of a clip, made small."""

    def decoded(data: bytes) -> list[Image.Image]:
        with av.open(BytesIO(data)) as container:
            return [frame.to_image(width=64, height=36) for frame in container.decode(video=0)]

    return decoded


@pytest.fixture(scope="session")
def refused():
    """The error of a reply, found to be in OpenAI's envelope."""

    def error(response: httpx2.Response, status: int, code: str, param: str | None = None) -> dict[str, Any]:
        assert response.status_code == status, response.text
        found = response.json()["error"]
        assert {"message", "type", "param", "code"} == set(found)
        assert (code, param) == (found["code"], found["param"])
        assert found["message"]
        assert "Traceback" not in response.text
        assert response.headers["x-request-id"]
        return found

    return error
