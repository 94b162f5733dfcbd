"""What `kill -9` costs: `python bench/kill.py 300` kills a busy server so often, and counts what became of its jobs.

A server with 20 jobs in flight at a stand-alone sandbox is killed at a random moment or at a random point of the work
(`sora2api.jobs.faults`), and started again on the same data directory, round after round. Then all jobs must come to
their end. The figures are printed as JSON; `lost` (jobs that a client was told of, and that did not end) and
`duplicates` (tasks that the engine made beyond those we know of) must be 0. The same seed makes the same choices.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2

from sora2api.jobs.faults import Point

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rig import Rig

POINTS: Final[tuple[Point, ...]] = ("intent", "submit", "record", "fetch", "store", "step")
LATEST: Final = 3.0
"""The latest random moment of a kill, in seconds after a round's jobs were begun."""
PATIENCE: Final = 3.0
"""How long a point of the work is waited for before the server is killed wherever it is, in seconds."""
END_WITHIN: Final = 180.0


class Rounds:
    """Kills a server again and again, each round at a moment of its own, and keeps *jobs* in flight meanwhile."""

    def __init__(self, rig: Rig, *, jobs: int, seed: int) -> None:
        self._rig = rig
        self._jobs = jobs
        self._random = random.Random(seed)
        self._told: list[str] = []
        self._asked = 0
        self.killed: Counter[str] = Counter()

    def prepare(self) -> None:
        self._rig.start_sandbox("--delay", "1", "--without", "shots")
        slots = ("--image-slots", str(self._jobs))
        self._rig.connect("--set", "dialect=sandbox", *slots, video_slots=self._jobs)

    def play(self) -> None:
        """One round: start, fill up, kill."""
        point = self._random.choice((None, None, *POINTS))
        moment = self._random.uniform(0, LATEST)
        fault = None if point is None else f"{point}:{self._random.randint(1, 10)}"
        self._start(fault=fault)
        self._fill_up()
        deadline = time.monotonic() + (moment if point is None else PATIENCE)
        while self._rig.server.running and time.monotonic() < deadline:
            time.sleep(0.02)
        died_there = not self._rig.server.running
        if died_there:
            self._rig.server.wait()
        else:
            self._rig.server.kill()
        self.killed[str(point) if died_there else "moment"] += 1

    def finish(self) -> dict[str, Any]:
        """Start once more, let all jobs come to their end, and count."""
        self._start(fault=None)
        deadline = time.monotonic() + END_WITHIN
        while (trouble := self._rig.unsettled()) is not None and time.monotonic() < deadline:
            time.sleep(0.5)
        count = "SELECT status, coalesce(json_extract(error, '$.code'), ''), count(*) FROM jobs GROUP BY 1, 2"
        ends = {(status, code): number for status, code, number in self._rig.rows(count)}
        over = {row[0] for row in self._rig.rows("SELECT id FROM jobs WHERE completed_at IS NOT NULL")}
        accepted = self._rig.rows("SELECT count(*) FROM tasks WHERE submitted_at IS NOT NULL")[0][0]
        creates = self._rig.creates()
        return {
            "jobs": sum(ends.values()),
            "told": len(self._told),
            "completed": ends.get(("completed", ""), 0),
            "failed": {code: number for (status, code), number in ends.items() if status == "failed"},
            "creates": creates,
            "accepted": accepted,
            "duplicates": creates - accepted,
            "lost": len(set(self._told) - over),
            "trouble": trouble,
            "killed": dict(self.killed),
        }

    def _start(self, *, fault: str | None) -> None:
        self._rig.start_server("--poll-interval", "0.5", fault=fault)

    def _fill_up(self) -> None:
        """Begin jobs until enough are in flight, several at once; the server may die of it."""
        in_flight = self._rig.rows("SELECT count(*) FROM jobs WHERE completed_at IS NULL")[0][0]
        prompts = [self._prompt() for _ in range(self._jobs - in_flight)]
        if not prompts or not self._rig.server.url:
            return
        with ThreadPoolExecutor(4) as pool:
            self._told += filter(None, pool.map(self._begin, prompts))

    def _prompt(self) -> tuple[str, str]:
        """A prompt and the model for it: mostly videos, each its own, but also like ones, pictures and two shots."""
        self._asked += 1
        kind = self._random.random()
        if kind < 0.1:
            return "sora-image", f"picture {self._asked}"
        if kind < 0.2:
            return "sora-video", f"[1.0s]shot {self._asked} [1.0s]then {self._asked}"
        return "sora-video", "the very same words" if kind < 0.3 else f"video {self._asked}"

    def _begin(self, prompt: tuple[str, str]) -> str | None:
        """The id of a job; None where the server died before it said it."""
        model, words = prompt
        try:
            return self._rig.ask(words, model=model)
        except (httpx2.TransportError, StopIteration):
            return None


def played(folder: Path, *, rounds: int, jobs: int, seed: int) -> dict[str, Any]:
    """The figures of so many rounds."""
    began = time.monotonic()
    rig = Rig(folder)
    try:
        game = Rounds(rig, jobs=jobs, seed=seed)
        game.prepare()
        for _ in range(rounds):
            game.play()
        figures = game.finish()
    finally:
        rig.close()
    return {"rounds": rounds, "seed": seed, **figures, "seconds": round(time.monotonic() - began, 1)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=300)
    parser.add_argument("--jobs", type=int, default=20, help="jobs in flight")
    parser.add_argument("--seed", type=int, default=None, help="repeats the choices of a former run")
    parser.add_argument("--folder", type=Path, default=None, help="where data and logs are left")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = played(folder, rounds=options.rounds, jobs=options.jobs, seed=seed)
    print(json.dumps(figures, indent=2))
    if figures["duplicates"] or figures["lost"] or figures["trouble"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
