"""Real servers on stand-alone sandboxes, and a client of them."""

import base64
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from PIL import Image
from running import Running
from ways.films import Film, film

WITHOUT: Final = ("--without", "remix,edit,extend,characters,shots,cancel")
"""What leaves text and image to video alone."""
SIZE: Final = "320x180"
MODEL: Final = "sora-video"


@dataclass(frozen=True)
class Made:
    """A job that is over."""

    job: dict[str, Any]
    events: list[dict[str, Any]]
    content: bytes

    @property
    def film(self) -> Film:
        return film(self.content)

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.content)).convert("RGB")

    @property
    def ways(self) -> list[str]:
        return [event["way"] for event in self.events if event["type"] == "way_chosen"]

    @property
    def progress(self) -> list[int]:
        return [event["percent"] for event in self.events if event["type"] == "progress"]


class Rig:
    """Sandboxes, a server with accounts at them, and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.key = "han1234"
        self.server: Running | None = None
        self.sandboxes: dict[str, Running] = {}
        self._folder = folder
        shutil.copytree(Path(__file__).parent / "plugins", self.data / "plugins")

    def sandbox(self, name: str, *options: str) -> None:
        """A stand-alone engine, without delay unless told."""
        self.sandboxes[name] = Running("sandbox", self._folder / name, "--delay", "0", *options)

    def account(self, name: str, *options: str, driver: str = "openai") -> None:
        """An account at the sandbox of that name, called so too."""
        where = ("--base-url", self.sandboxes[name].url, "--token", "sk-sandbox", "--name", name)
        said = json.loads(self.run("account", "add", "--driver", driver, *where, *options))
        if said["issued"]:
            self.key = said["issued"]["key"]

    def switch(self, account: str, *, on: bool) -> None:
        """Enable or disable an account, and wait until the running server knows."""
        self.run("account", "enable" if on else "disable", account)
        assert becomes(lambda: (account in self.get("/readyz").json()["engines"]) == on)

    def run(self, *command: str) -> bytes:
        arguments = [sys.executable, "-m", "sora2api", *command, "--data-dir", str(self.data), "--json"]
        return subprocess.run(arguments, check=True, capture_output=True).stdout

    def serve(self, *options: str, **environment: str) -> None:
        self.server = Running("serve", self.data, "--lookup-interval", "0.5", *options, environment=environment)

    def server_dies(self) -> None:
        """Wait for it."""
        self.server._wait()

    def close(self) -> None:
        for process in (self.server, *self.sandboxes.values()):
            if process is not None:
                process.stop()

    # What a client does.

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def ask(self, prompt: str, *media: tuple[str, bytes], **fields: Any) -> httpx2.Response:
        """A chat that waits for its outcome. *media* are a kind and a file each."""
        body = {"model": MODEL, "size": SIZE, "seconds": 1} | fields
        return httpx2.post(
            f"{self.server.url}/v1/chat/completions",
            json=body | _said(prompt, media),
            headers=self.headers,
            timeout=120,
        )

    def begin(self, prompt: str, *media: tuple[str, bytes], **fields: Any) -> str:
        """Begin a job; its id."""
        body = {"model": MODEL, "size": SIZE, "seconds": 1, "stream": True} | fields
        where = f"{self.server.url}/v1/chat/completions"
        with httpx2.stream("POST", where, json=body | _said(prompt, media), headers=self.headers, timeout=60) as reply:
            assert reply.status_code == 200, reply.read()
            first = next(line for line in reply.iter_lines() if line.startswith("data: "))
        return json.loads(first[6:])["sora2api"]["job"]

    def ended(self, job: str) -> Made:
        """The job when it is over, with all that it said."""
        where = f"{self.server.url}/v1/videos/{job}/events"
        with httpx2.stream("GET", where, headers=self.headers, timeout=120) as reply:
            events = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: ")]
        content = self.get(f"/v1/videos/{job}/content")
        return Made(self.get(f"/v1/videos/{job}").json(), events, content.content)

    def make(self, prompt: str, *media: tuple[str, bytes], **fields: Any) -> Made:
        """What a request makes."""
        made = self.ended(self.begin(prompt, *media, **fields))
        assert made.job["status"] == "completed", made.job
        return made

    def extend(self, source: Made, prompt: str, *, seconds: float) -> str:
        """Begin to go on where a video ends; the job's id."""
        return self._post("extensions", video={"id": source.job["id"]}, prompt=prompt, seconds=str(seconds))

    def edit(self, source: Made, prompt: str) -> str:
        return self._post("edits", video={"id": source.job["id"]}, prompt=prompt)

    def _post(self, path: str, **body: Any) -> str:
        reply = httpx2.post(f"{self.server.url}/v1/videos/{path}", json=body, headers=self.headers, timeout=30)
        assert reply.is_success, reply.text
        return reply.json()["id"]

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.server.url + path, headers=self.headers, timeout=30)

    def cancel(self, job: str) -> None:
        assert httpx2.post(f"{self.server.url}/v1/videos/{job}/cancel", headers=self.headers, timeout=30).is_success

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What the server has written down."""
        with closing(sqlite3.connect(self.data / "sora2api.db")) as database:
            return database.execute(query, values).fetchall()

    def left_of(self, job: str) -> int:
        """How many characters and their pictures a job has left."""
        characters = self.rows("SELECT id FROM characters WHERE job_id = ?", job)
        return len(characters) + len(self.rows("SELECT id FROM assets WHERE job_id = ? AND role = 'character'", job))

    # What the engines say.

    def creates(self, name: str | None = None) -> int:
        """How many tasks the engines have taken, or one of them."""
        asked = [self.sandboxes[name]] if name else self.sandboxes.values()
        return sum(httpx2.get(f"{process.url}/_sandbox/stats", timeout=30).json()["creates"] for process in asked)

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """The videos that an engine has, in the order in which it took them."""
        return self._engine(name, "/v1/videos?limit=100&order=asc").json()["data"]

    def film_of(self, name: str, task: dict[str, Any]) -> Film:
        """What an engine made."""
        return film(self._engine(name, f"/v1/videos/{task['id']}/content").content)

    def _engine(self, name: str, path: str) -> httpx2.Response:
        headers = {"Authorization": "Bearer sk-sandbox"}
        return httpx2.get(self.sandboxes[name].url + path, headers=headers, timeout=30)

    def faults(self, name: str, *faults: dict[str, Any]) -> None:
        """Have an engine misbehave, so and no other way."""
        httpx2.delete(f"{self.sandboxes[name].url}/_sandbox/faults", timeout=30)
        assert httpx2.post(f"{self.sandboxes[name].url}/_sandbox/faults", json=list(faults), timeout=30).is_success

    def knows(self, name: str) -> int:
        """How many characters an engine knows."""
        with closing(sqlite3.connect(self._folder / name / "sandbox" / "sandbox.db")) as database:
            return database.execute("SELECT count(*) FROM things WHERE kind = 'character'").fetchone()[0]


def becomes(condition: Callable[[], bool], *, within: float = 20.0) -> bool:
    """Whether the *condition* is met in time."""
    until = time.monotonic() + within
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.05)
    return met


def _said(prompt: str, media: tuple[tuple[str, bytes], ...]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": prompt}] if prompt else []
    for kind, data in media:
        content_type = "image/png" if kind == "image" else "video/mp4"
        url = f"data:{content_type};base64,{base64.b64encode(data).decode()}"
        parts.append({"type": f"{kind}_url", f"{kind}_url": {"url": url}})
    return {"messages": [{"role": "user", "content": parts}]}
