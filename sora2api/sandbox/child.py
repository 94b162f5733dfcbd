"""The sandbox as a child process: started, watched, started again when it dies, and ended with its parent."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import orjson

from sora2api.errors import NoEngine

log = logging.getLogger(__name__)

KEY_VARIABLE: Final = "SORA2API_SANDBOX_KEY"
"""Where the child finds its key: an argument could be read by everybody on the machine."""
_LONGEST_PAUSE: Final = 10.0
_TERM_PATIENCE: Final = 5.0
_START_PATIENCE: Final = 30.0

Ready = Callable[[str], Awaitable[None]]


class SandboxChild:
    """Runs the sandbox on a free port of loopback, with its state in *folder*; tells its URL to *ready* each time."""

    def __init__(self, folder: Path, *, key: str, delay: float, ready: Ready) -> None:
        self._folder = folder
        self._key = key
        self._delay = delay
        self._ready = ready
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.up = asyncio.Event()
        self._holds = 0

    @property
    def running(self) -> bool:
        return self._keeper is not None

    @property
    def wanted(self) -> bool:
        """Whether somebody holds it."""
        return self._holds > 0

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep it running from when it answers on. Raises `NoEngine` where it does not come up."""
        self._holds += 1
        try:
            self.start()
            if not await self._answers():
                raise NoEngine("The sandbox does not start; the server's log says why.")
            yield
        finally:
            self._holds -= 1

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_START_PATIENCE):
                return await self.up.wait()
        except TimeoutError:
            return False

    def start(self) -> None:
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="sandbox")

    async def stop(self) -> None:
        """End it: it does so by itself when its standard input closes."""
        if self._keeper is None:
            return
        self._keeper.cancel()
        await asyncio.wait((self._keeper,))
        self._keeper = None
        self.up.clear()
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _TERM_PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _keep(self) -> None:
        pause = 0.5
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._run()
            except (OSError, ValueError):
                log.exception("sandbox not started")
            self.up.clear()
            lasted = asyncio.get_running_loop().time() - began
            pause = 0.5 if lasted > _LONGEST_PAUSE else min(_LONGEST_PAUSE, pause * 2)
            log.warning("sandbox ended", extra={"seconds": round(lasted, 1)})
            await asyncio.sleep(pause)

    async def _run(self) -> None:
        """One life of the process."""
        arguments = ("--port", "0", "--json", "--until-stdin-closes", "--delay", str(self._delay))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sora2api",
            "sandbox",
            *arguments,
            "--data-dir",
            str(self._folder),
            env=os.environ | {KEY_VARIABLE: self._key},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        if self._process.stdout is None:
            return
        said = await self._process.stdout.readline()
        if said:
            await self._ready(orjson.loads(said)["url"])
            self.up.set()
        await self._process.wait()
