"""What GET /v1/videos/{id} costs beside a bare aiohttp handler that sends the same bytes: `python bench/overhead.py`.

Both servers run as processes on loopback and are asked in turns, by the same client, within one run. What counts is the
CPU time that each spends on a request: requests a second also measure the client, and whatever else the machine does.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

BUDGET: Final = 0.6
KEY: Final = "han1234"
TICKS: Final = os.sysconf("SC_CLK_TCK")


@contextmanager
def running(*command: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server, which prints a line of JSON with its URL when it is ready."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(30)


def a_video(url: str) -> dict[str, Any]:
    """A finished video of the sandbox, as the API shows it."""
    message = {"role": "user", "content": "a lantern"}
    body = {"model": "sora-video", "size": "160x96", "seconds": 1, "messages": [message]}
    headers = {"Authorization": f"Bearer {KEY}"}
    with urlopen(Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)) as reply:
        job = json.load(reply)["sora2api"]["job"]
    with urlopen(Request(f"{url}/v1/videos/{job}", headers=headers)) as reply:
        video: dict[str, Any] = json.load(reply)
    return video


async def ask(url: str, path: str, *, requests: int, connections: int) -> None:
    """Send that many requests over that many connections, each kept busy."""
    host, _, port = url.removeprefix("http://").partition(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(requests // connections):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measured(process: subprocess.Popen[bytes], url: str, path: str, options: argparse.Namespace) -> tuple[float, float]:
    """CPU time of the server and wall time, both in microseconds a request."""
    cpu, wall = cpu_seconds(process), time.perf_counter()
    asyncio.run(ask(url, path, requests=options.requests, connections=options.connections))
    cpu, wall = cpu_seconds(process) - cpu, time.perf_counter() - wall
    return 1e6 * cpu / options.requests, 1e6 * wall / options.requests


async def serve_bare(body: bytes) -> None:
    """The least that aiohttp can do: one route with a parameter, one JSON reply of the same bytes."""
    from aiohttp import web

    async def handler(request: web.Request) -> web.Response:
        assert request.match_info["id"]
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/videos/{id}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"url": f"http://127.0.0.1:{site.port}"}), flush=True)
    await asyncio.Event().wait()


def compare(options: argparse.Namespace) -> dict[str, float]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        serve = ("-m", "sora2api", "serve", "--port", "0", "--json", "--data-dir", folder, "--sandbox-delay", "0")
        ours, our_url = stack.enter_context(running(*serve))
        video = a_video(our_url)
        bare, bare_url = stack.enter_context(running(__file__, "--bare", json.dumps(video)))
        path = f"/v1/videos/{video['id']}"
        rounds = []
        for number in range(options.rounds + 1):
            pair = measured(bare, bare_url, path, options), measured(ours, our_url, path, options)
            if number:  # the first round only warms up
                rounds.append(pair)
    (bare_cpu, bare_wall), (our_cpu, our_wall) = (
        tuple(statistics.median(values) for values in zip(*side, strict=True)) for side in zip(*rounds, strict=True)
    )
    return {
        "bare_cpu_us": round(bare_cpu, 1),
        "our_cpu_us": round(our_cpu, 1),
        "ratio_cpu": round(statistics.median(bare[0] / ours[0] for bare, ours in rounds), 3),
        "bare_wall_us": round(bare_wall, 1),
        "our_wall_us": round(our_wall, 1),
        "ratio_wall": round(bare_wall / our_wall, 3),
        "budget": BUDGET,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000, help="requests a round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", metavar="JSON", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare is not None:
        asyncio.run(serve_bare(options.bare.encode()))
        return
    print(json.dumps(compare(options), indent=2))


if __name__ == "__main__":
    main()
