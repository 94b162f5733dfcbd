"""A server and a stand-alone sandbox as its engine, both processes that can be killed and started again."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx2

KEY: Final = "sk-sandbox"
PATIENCE: Final = 60.0
_OVER: Final = ("completed", "failed", "cancelled")


class Process:
    """A command of ours that prints one line of JSON when it is ready; what else it says goes to the file *log*."""

    def __init__(self, *arguments: str, log: Path, environment: dict[str, str] | None = None) -> None:
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sora2api", *arguments, "--json"],
                stdout=subprocess.PIPE,
                stderr=said,
                env=os.environ | (environment or {}),
            )
        first = self._out.readline()
        self.url: str = json.loads(first)["url"] if first else ""

    def kill(self) -> None:
        """As `kill -9` does."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        code = self._process.wait(timeout=PATIENCE)
        self._out.close()
        return code

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def _out(self) -> Any:
        assert self._process.stdout is not None
        return self._process.stdout


class Rig:
    """The pair, their operator, and a client. Its *data* directory may be put elsewhere before the first start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.server: Process
        self.sandbox: Process
        self.http: httpx2.Client
        self.key = ""
        self._port = "0"
        self._started: list[Process] = []
        self._clients: list[httpx2.Client] = []

    # Its operator.

    def start_sandbox(self, *options: str) -> None:
        """Start the sandbox, at its second start where it was."""
        arguments = ("--data-dir", str(self.folder / "engine"), "--port", self._port, *options)
        self.sandbox = self._process("sandbox", *arguments)
        self._port = self.sandbox.url.rpartition(":")[2]

    def connect(
        self, *options: str, name: str = "box", token: str = KEY, video_slots: int = 8, base_url: str | None = None
    ) -> None:
        """Make the sandbox an account like any engine's, reached by its own URL or another *base_url*."""
        url = base_url or self.sandbox.url
        given = ("--driver", "openai", "--base-url", url, "--token", token, "--name", name)
        added = self.run("account", "add", *given, "--video-slots", str(video_slots), *options)
        if added["issued"] is not None:
            self.key = added["issued"]["key"]

    def start_server(self, *options: str, fault: str | None = None, environment: dict[str, str] | None = None) -> None:
        arguments = ("--data-dir", str(self.data), "--port", "0", "--lookup-interval", "1", *options)
        point = {"SORA2API_FAULT": fault} if fault else {}
        self.server = self._process("serve", *arguments, environment={**point, **(environment or {})})
        self._meet()

    def run(self, *command: str) -> Any:
        """What a command on the server's data directory says, as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "sora2api", *command, "--data-dir", str(self.data), "--json"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def misbehave(self, **fault: Any) -> None:
        """Have something befall the next requests that come to the sandbox (`sora2api.sandbox.faults`)."""
        httpx2.post(f"{self.sandbox.url}/_sandbox/faults", json=[fault], timeout=30).raise_for_status()

    @property
    def log(self) -> str:
        """What the server has said since its first start."""
        return (self.folder / "serve.log").read_text()

    def _process(self, command: str, *arguments: str, environment: dict[str, str] | None = None) -> Process:
        log = self.folder / f"{command}.log"
        process = Process(command, *arguments, log=log, environment=environment)
        self._started.append(process)
        return process

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for process in self._started:
            if process.running:
                process.kill()

    # A client.

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def _meet(self) -> None:
        """Have a client ask the server that has been started; the one before is gone."""
        self.http = httpx2.Client(base_url=self.server.url, headers=self.headers, timeout=PATIENCE)
        self._clients.append(self.http)

    def get(self, path: str) -> httpx2.Response:
        return self.http.get(path)

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

    def events(self, job: str) -> list[dict[str, Any]]:
        """The job's events, to their end."""
        with self.http.stream("GET", f"/v1/videos/{job}/events", timeout=120) as reply:
            return [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: ")]

    def ended(self, job: str) -> dict[str, Any]:
        """The job when it is over: its events end then."""
        self.events(job)
        return self.get(f"/v1/videos/{job}").json()

    # Looking inside.

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.data / "sora2api.db", timeout=30)) as database:
            return database.execute(query).fetchall()

    def jobs(self) -> list[str]:
        """The ids of all jobs, read from the database since images are in no list."""
        return [row[0] for row in self.rows("SELECT id FROM jobs")]

    def creates(self) -> int:
        """How many tasks the sandbox has accepted."""
        return httpx2.get(f"{self.sandbox.url}/_sandbox/stats", timeout=30).json()["creates"]

    def unsettled(self) -> str | None:
        """What is not as it must be once all work is over; None: nothing.

        Each job has its one end, no task is live, every file has a row and every row its file, scratch is empty, and
        the sandbox made one create for each task that we know it to have accepted.
        """
        open_ = self.rows(f"SELECT id, status FROM jobs WHERE status NOT IN {_OVER}")
        if open_:
            return f"jobs are not over: {open_}"
        ends = """SELECT jobs.id, jobs.status, count(events.number) FROM jobs LEFT JOIN events
            ON events.job_id = jobs.id AND json_extract(events.data, '$.type') = 'ended'
            AND json_extract(events.data, '$.status') = jobs.status GROUP BY jobs.id HAVING count(events.number) != 1"""
        if wrong := self.rows(ends):
            return f"jobs have not the one end: {wrong}"
        if gaps := self.rows("SELECT job_id FROM events GROUP BY job_id HAVING max(number) != count(*)"):
            return f"jobs have gaps in their events: {gaps}"
        if live := self.rows("SELECT id, job_id FROM tasks WHERE ended_at IS NULL"):
            return f"tasks hold slots: {live}"
        return self._stray_files() or self._miscounted()

    def _stray_files(self) -> str | None:
        there = {path.name for path in (self.data / "media").glob("*/*")}
        known = {row[0] for row in self.rows("SELECT sha256 FROM assets")}
        if there != known:
            return f"files without a row: {there - known}; rows without a file: {known - there}"
        if left := sorted((self.data / "scratch").iterdir()):
            return f"scratch is not empty: {left}"
        return None

    def _miscounted(self) -> str | None:
        # Characters are no creates in the sandbox's count.
        accepted = self.rows("SELECT count(*) FROM tasks WHERE submitted_at IS NOT NULL AND make != 'cast'")[0][0]
        creates = self.creates()
        return None if accepted == creates else f"{creates} creates for {accepted} accepted tasks"
