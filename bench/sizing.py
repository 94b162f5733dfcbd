"""What a server takes of a machine: `python bench/sizing.py`.

Of one process, with a stand-alone sandbox as its engine: the time until it is ready, beside importing aiohttp and
SQLAlchemy alone; its memory when idle; what a small video costs it in CPU time and in its database; how many it
finishes a second, the engine's work on the same machine included; and the memory of each job in flight whose events
are followed.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from running import Running

KEY: Final = "sk-sandbox"
SLOTS: Final = 64
LONG: Final = 3600
"""So many seconds the engine takes for a video that shall stay in flight."""
SETTLING: Final = 5.0
VIDEO: Final = {"model": "sora-video", "prompt": "a lantern on the water", "size": "160x96", "seconds": 1}
IMPORTS: Final = "import aiohttp, sqlalchemy.ext.asyncio"

Row = dict[str, float]


class Client:
    """A client of the server at *url*, with connections enough for all that it follows."""

    def __init__(self, url: str, key: str) -> None:
        self._session = aiohttp.ClientSession(
            f"{url}/v1/",
            headers={"Authorization": f"Bearer {key}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            raise_for_status=True,
        )

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def begin(self, gate: asyncio.Semaphore) -> str:
        async with gate, self._session.post("videos", json=VIDEO) as reply:
            job: str = (await reply.json())["id"]
            return job

    async def end(self, job: str) -> None:
        """Follow a job's events to its end."""
        async with self._session.get(f"videos/{job}/events") as reply:
            await reply.content.read()

    async def follow(self, job: str) -> aiohttp.ClientResponse:
        """Listen to a job, whose first event has come."""
        reply = await self._session.get(f"videos/{job}/events")
        await reply.content.readuntil(b"\n\n")
        return reply


def account(folder: Path, engine: str) -> str:
    """The key of a data directory with an account at the *engine*."""
    command = [sys.executable, "-m", "sora2api", "account", "add", "--data-dir", str(folder), "--json"]
    given = ["--driver", "openai", "--base-url", f"{engine}/v1", "--token", KEY, "--video-slots", str(LONG)]
    done = subprocess.run([*command, *given, "--set", "dialect=sandbox"], check=True, capture_output=True)
    key: str = json.loads(done.stdout)["issued"]["key"]
    return key


def ready(folder: Path) -> float:
    """How many seconds a server takes to be ready."""
    begun = time.monotonic()
    with Running("serve", folder):
        return time.monotonic() - begun


def imported() -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - begun


def starting(folder: Path, rounds: int) -> Row:
    first = ready(folder)
    pairs = [(imported(), ready(folder)) for _ in range(rounds)]
    alone, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "first_start_seconds": round(first, 2),
        "start_seconds": round(ours, 2),
        "imports_alone_seconds": round(alone, 2),
        "start_by_imports": round(ours / alone, 2),
    }


async def making(server: Running, key: str, jobs: int) -> Row:
    """What small videos cost, from the first request to the last end."""
    async with Client(server.url, key) as client:
        gate = asyncio.Semaphore(SLOTS)
        begun, used = time.monotonic(), server.cpu_seconds()
        made = await asyncio.gather(*(client.begin(gate) for _ in range(jobs)))
        await asyncio.gather(*map(client.end, made))
        seconds, cpu = time.monotonic() - begun, server.cpu_seconds() - used
    return {"videos": jobs, "videos_a_second": round(jobs / seconds, 1), "cpu_ms_a_video": round(1000 * cpu / jobs, 1)}


async def listening(server: Running, key: str, jobs: int) -> Row:
    """What a job in flight takes, with one who follows its events."""
    async with Client(server.url, key) as client:
        before = server.memory()
        gate = asyncio.Semaphore(SLOTS)
        made = await asyncio.gather(*(client.begin(gate) for _ in range(jobs)))
        replies = await asyncio.gather(*map(client.follow, made))
        await asyncio.sleep(SETTLING)
        used = server.cpu_seconds()
        await asyncio.sleep(SETTLING)
        idle = (server.cpu_seconds() - used) / SETTLING
        row = {"followed": jobs, "kb_a_followed_job": round((server.memory() - before) / jobs / 1000, 1)}
        for reply in replies:
            reply.close()
    return row | {"cpu_of_following": round(idle, 3)}


def database(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("sora2api.db*"))


def measure(folder: Path, options: argparse.Namespace) -> Row:
    data = folder / "data"
    with Running("sandbox", folder / "engine", "--delay", "0") as engine:
        key = account(data, engine.url)
        told = starting(data, options.rounds)
        with Running("serve", data) as server:
            time.sleep(SETTLING)
            told["idle_mb"] = round(server.memory() / 1e6, 1)
            told |= asyncio.run(making(server, key, options.jobs))
            told["mb_after_them"] = round(server.memory() / 1e6, 1)
        told["database_kb_a_video"] = round(database(data) / options.jobs / 1000, 1)
    slow = folder / "slow"
    with Running("sandbox", folder / "slow engine", "--delay", str(LONG)) as engine:
        key = account(slow, engine.url)
        server = Running("serve", slow)
        told |= asyncio.run(listening(server, key, options.followed))
        server.kill()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000, help="small videos to make")
    parser.add_argument("--followed", type=int, default=1000, help="jobs in flight, each with a listener")
    parser.add_argument("--rounds", type=int, default=5, help="starts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told: dict[str, Any] = measure(Path(folder), options)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
