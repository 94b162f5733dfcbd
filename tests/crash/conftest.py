"""A server and a stand-alone sandbox as its engine, both processes that can be killed and started again."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

SANDBOX_PORT = "0"
KEY = "sk-sandbox"


class Process:
    """A command of ours that prints one line of JSON when it is ready."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sora2api", *arguments, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
        )
        said = self._process.stdout.readline()
        self.url = json.loads(said)["url"] if said else ""

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        code = self._process.wait(timeout=60)
        self._process.stdout.close()
        return code

    @property
    def running(self) -> bool:
        return self._process.poll() is None


class Rig:
    """The pair, and what a client does with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Process | None = None
        self.sandbox: Process | None = None
        self.key = ""
        self._port = SANDBOX_PORT

    def start_sandbox(self, *options: str) -> None:
        arguments = ("--data-dir", str(self.folder / "engine"), "--port", self._port, *options)
        self.sandbox = Process("sandbox", *arguments)
        self._port = self.sandbox.url.rpartition(":")[2]

    def connect(self) -> None:
        """Make the sandbox an account like any engine's."""
        command = ("account", "add", "--driver", "openai", "--base-url", self.sandbox.url, "--token", KEY)
        options = ("--name", "box", "--video-slots", "8", "--data-dir", str(self.folder / "data"), "--json")
        done = subprocess.run([sys.executable, "-m", "sora2api", *command, *options], capture_output=True, check=True)
        self.key = json.loads(done.stdout)["issued"]["key"]

    def start_server(self, *options: str, fault: str | None = None) -> None:
        arguments = ("--data-dir", str(self.folder / "data"), "--port", "0", "--lookup-interval", "1", *options)
        self.server = Process("serve", *arguments, **({"SORA2API_FAULT": fault} if fault else {}))

    def ask(self, prompt: str, **fields: Any) -> str:
        """Begin a job; its id, which is durable once it is said."""
        body = {"model": "sora-video", "stream": True, "size": "160x96", "seconds": 1} | fields
        body["messages"] = [{"role": "user", "content": prompt}]
        with httpx2.stream(
            "POST", f"{self.server.url}/v1/chat/completions", json=body, headers=self.headers, timeout=30
        ) as reply:
            assert reply.status_code == 200, reply.read()
            first = next(line for line in reply.iter_lines() if line.startswith("data: "))
        return json.loads(first[6:])["sora2api"]["job"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.server.url + path, headers=self.headers, timeout=30)

    def ended(self, job: str) -> dict[str, Any]:
        """The job when it is over: its events end then."""
        with httpx2.stream(
            "GET", f"{self.server.url}/v1/videos/{job}/events", headers=self.headers, timeout=120
        ) as events:
            for line in events.iter_lines():
                if line.startswith("data: ") and json.loads(line[6:])["type"] == "ended":
                    break
        return self.get(f"/v1/videos/{job}").json()

    def jobs(self) -> list[str]:
        """The ids of all jobs, read from the database since images are in no list."""
        with closing(sqlite3.connect(self.folder / "data" / "sora2api.db")) as database:
            return [row[0] for row in database.execute("SELECT id FROM jobs")]

    def creates(self) -> int:
        return httpx2.get(f"{self.sandbox.url}/_sandbox/stats", timeout=30).json()["creates"]

    def close(self) -> None:
        for process in (self.server, self.sandbox):
            if process is not None and process.running:
                process.kill()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()
