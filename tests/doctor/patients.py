"""A data directory that the doctor is asked about."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from commands import PATIENCE, ran


class Patient:
    """Its settings are in `sora2api.toml`: the *port*, and no more disk in reserve than any machine has."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.folder = folder
        self.port = port
        self.configure(f"port = {port}\ndisk_reserve = {1 << 20}\n")

    def configure(self, text: str) -> None:
        file = self.folder / "sora2api.toml"
        file.write_text(text)
        file.chmod(0o600)

    def run(self, *command: str) -> None:
        """An operator's command."""
        ran(*command, "--data-dir", str(self.folder))

    def asked(self, *options: str, by: tuple[str, ...] = (), **environment: str) -> tuple[int, list[dict[str, Any]]]:
        """The doctor's exit status and findings; *by* another program that starts it."""
        done = subprocess.run(
            [*by, sys.executable, "-m", "sora2api", "doctor", "--data-dir", str(self.folder), "--json", *options],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    def trouble(self, *options: str, by: tuple[str, ...] = (), **environment: str) -> dict[str, dict[str, Any]]:
        """What is not well, by check, each with something to do; the exit status says so too."""
        status, found = self.asked(*options, by=by, **environment)
        ill = {finding["check"]: finding for finding in found if finding["state"] != "well"}
        states = {finding["state"] for finding in ill.values()}
        assert status == (1 if "wrong" in states else 4 if "warning" in states else 0)
        assert all(finding["advice"] for finding in ill.values() if finding["state"] != "unseen")
        return ill

    def contents(self) -> dict[str, tuple[str, int, int]]:
        """All files with what is in them, their modes and owners, but for SQLite's shared memory, which is no data."""
        return {
            str(path.relative_to(self.folder)): (
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder",
                path.stat().st_mode,
                path.stat().st_uid,
            )
            for path in self.folder.rglob("*")
            if path.suffix != ".db-shm"
        }


def free_port() -> int:
    with closing(socket.socket()) as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port
