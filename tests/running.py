"""Runs the project's commands as processes, as their users do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PATIENCE: Final = 60.0


class Running:
    """`sora2api serve` or `sora2api sandbox` from the moment that it says where it listens, to its end.

    Its data directory is *folder*. *program* and *cwd* let another installation run, *environment* adds to ours,
    *descriptors* are handed on.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        *options: str,
        program: tuple[str, ...] = (sys.executable, "-m", "sora2api"),
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.folder = folder
        arguments = (command, "--data-dir", str(folder), "--port", "0", "--json", *options)
        self._process = subprocess.Popen(
            [*program, *arguments],
            stdout=subprocess.PIPE,
            cwd=cwd,
            env=os.environ | (environment or {}),
            pass_fds=descriptors,
        )
        said = self._out.readline()
        if not said:
            raise RuntimeError(f"`sora2api {command}` ended with {self._wait()} before it was ready.")
        self.url: str = json.loads(said)["url"]

    def memory(self) -> int:
        """The bytes that it has resident."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """The CPU time that it has used, of all its threads."""
        return time.clock_gettime((~self._process.pid << 3) | 2)  # the clock of a process, as Linux numbers them

    def status(self) -> dict[str, str]:
        """What the kernel says of it."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._wait()

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait(self) -> int:
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._out.close()

    @property
    def _out(self):
        assert self._process.stdout is not None
        return self._process.stdout
