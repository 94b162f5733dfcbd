"""What following jobs costs an engine, in calls a second, with 10 jobs and with 1,000: `python bench/poller.py`.

A server and a stand-alone sandbox as its one account run as processes; the sandbox counts how often it is asked. Its
videos never get ready. Where it lists its tasks, many jobs must not cost more calls than few; where it does not, the
account's `calls_a_minute` must hold.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

FEW: Final = 10
MANY: Final = 1000
BUDGET: Final = 1.0
SLACK: Final = 1.1
"""How far a ratio may be off, since counts are whole numbers."""
CALLS_A_MINUTE: Final = 300
KEY: Final = "sk-sandbox"


@contextmanager
def running(*command: str) -> Iterator[str]:
    """A command of ours, which prints a line of JSON with its URL when it is ready."""
    process = subprocess.Popen([sys.executable, "-m", "sora2api", *command, "--json"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(60)


def run(*command: str) -> Any:
    done = subprocess.run([sys.executable, "-m", "sora2api", *command, "--json"], check=True, capture_output=True)
    return json.loads(done.stdout)


def ask(url: str, key: str | None = None, body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers), timeout=60) as reply:
        return json.load(reply)


def calls(sandbox: str) -> int:
    """How often the sandbox was asked how its tasks stand."""
    stats = ask(f"{sandbox}/_sandbox/stats")
    return int(stats["polls"] + stats["lists"])


def begin(server: str, key: str, sandbox: str, jobs: int) -> None:
    """Have that many videos made, and wait until the sandbox has all of them."""
    body = {"model": "sora-video", "prompt": "a pier", "size": "64x64", "seconds": 1}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask(f"{server}/v1/videos", key, {**body, "seed": number}), range(jobs)))
    while ask(f"{sandbox}/_sandbox/stats")["creates"] < jobs:
        time.sleep(0.2)


def calls_a_second(jobs: int, options: argparse.Namespace, *, listed: bool) -> float:
    """Measured once all jobs are as old as pauses between polls grow."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data = ("--data-dir", str(folder / "data"))
        without = () if listed else ("--without", "list")
        box = ("sandbox", "--port", "0", "--data-dir", str(folder / "engine"), "--delay", "86400", *without)
        sandbox = stack.enter_context(running(*box))
        account = ("--driver", "openai", "--base-url", sandbox, "--token", KEY, "--set", "dialect=sandbox")
        slots = ("--video-slots", str(jobs), "--calls-a-minute", str(CALLS_A_MINUTE))
        added = run("account", "add", *account, *slots, *data)
        server = stack.enter_context(running("serve", "--port", "0", "--poll-interval", "1", *data))
        begin(server, added["issued"]["key"], sandbox, jobs)
        time.sleep(options.settle)
        before, began = calls(sandbox), time.monotonic()
        time.sleep(options.seconds)
        return (calls(sandbox) - before) / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long is measured")
    parser.add_argument("--settle", type=float, default=20.0, help="how long is waited before")
    options = parser.parse_args()
    os.environ.pop("SORA2API_DATA_DIR", None)

    few = calls_a_second(FEW, options, listed=True)
    many = calls_a_second(MANY, options, listed=True)
    print(f"with a list     {FEW} jobs: {few:.2f} calls/s   {MANY} jobs: {many:.2f} calls/s   ratio {many / few:.2f}")
    alone = calls_a_second(MANY, options, listed=False)
    allowed = CALLS_A_MINUTE / 60
    print(f"without a list  {MANY} jobs: {alone:.2f} calls/s, of {allowed:.2f} allowed   ratio {alone / allowed:.2f}")
    if many / few > BUDGET * SLACK or alone / allowed > SLACK:
        sys.exit("more than the budget")


if __name__ == "__main__":
    main()
