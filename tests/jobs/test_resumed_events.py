"""A reader of a job's events that is cut off anywhere, and whose server dies, sees each of them once and in order."""

import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from rig import Rig

pytestmark = pytest.mark.slow

STORYBOARD = "[1.0s]a cat jumps [1.0s]a cat lands [1.0s]a cat runs"
PASSING = ("progress", "waiting")


class Reader:
    """Follows a job as a browser's EventSource does: what came whole counts, and the last number goes on."""

    def __init__(self, rig: Rig, job: str) -> None:
        self.rig = rig
        self.job = job
        self.last = 0
        self.milestones: list[tuple[int, dict[str, Any]]] = []
        self.progress: list[int] = []
        self.connections = 0
        self.heard = 0
        self.ended = False

    def read(self, *, cut_after: int) -> None:
        """Read so many bytes, or to the end, or until the server is gone."""
        self.connections += 1
        headers = {"Last-Event-ID": str(self.last)} if self.last else {}
        got = b""
        try:
            with self.rig.http.stream("GET", f"/v1/videos/{self.job}/events", headers=headers) as reply:
                for chunk in reply.iter_raw():
                    got += chunk
                    self.heard += len(chunk)
                    if len(got) >= cut_after:
                        break
        except httpx2.TransportError:
            self._gone()
        self._take(got[:cut_after])

    def _gone(self) -> None:
        """The connection broke since the server was killed: its process is over, or is about to be."""
        deadline = time.monotonic() + 10
        while self.rig.server.running:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _take(self, got: bytes) -> None:
        for block in _blocks(got):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" not in fields:
                continue
            event = json.loads(fields["data"])
            number = int(fields["id"])
            if event["type"] in PASSING:
                assert number == self.last
                self.progress += [event["percent"]] if event["type"] == "progress" else []
                continue
            self.milestones.append((number, event))
            self.last = number
            self.ended = event["type"] == "ended"


def _blocks(got: bytes) -> Iterator[str]:
    *whole, _cut = got.decode(errors="replace").replace("\r\n", "\n").split("\n\n")
    yield from filter(None, whole)


@pytest.mark.parametrize("way", ["native", "composed"])
def test_no_event_is_missed_and_none_comes_twice(rig, way):
    chance = random.Random(way)
    rig.start_sandbox("--delay", "1.5", *(("--without", "shots") if way == "composed" else ()))
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.3")
    reader = Reader(rig, rig.ask(STORYBOARD))

    kills = 0
    while not reader.ended:
        reader.read(cut_after=chance.randint(1, 400))
        if len(reader.milestones) > 2 * (kills + 1) and kills < 2:
            rig.server.kill()
            rig.start_server("--poll-interval", "0.3")
            kills += 1

    numbers = [number for number, _ in reader.milestones]
    stored = rig.rows(f"SELECT number, data FROM events WHERE job_id = '{reader.job}' ORDER BY number")
    assert kills == 2
    assert reader.connections > 5
    assert numbers == list(range(1, len(numbers) + 1))
    assert [number for number, _ in stored] == numbers
    assert [json.loads(data)["type"] for _, data in stored] == [event["type"] for _, event in reader.milestones]
    assert reader.progress == sorted(reader.progress)
    assert reader.milestones[-1][1]["status"] == "completed"


def test_each_place_in_the_events_of_a_job_that_is_over_can_be_gone_on_from(rig):
    rig.start_sandbox("--delay", "0")
    rig.connect()
    rig.start_server()
    job = rig.ask("a pier")
    rig.events(job)
    whole = Reader(rig, job)
    whole.read(cut_after=1_000_000)
    for number, _ in whole.milestones[:-1]:
        rest = Reader(rig, job)
        rest.last = number
        rest.read(cut_after=1_000_000)
        assert rest.milestones == whole.milestones[number:]


def test_a_reader_whose_server_dies_while_it_waits_goes_on_with_the_next(rig):
    rig.start_sandbox("--delay", "8")
    rig.connect()
    rig.start_server()
    reader = Reader(rig, rig.ask("a pier"))
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(reader.read, cut_after=1_000_000)
        deadline = time.monotonic() + 30
        while not reader.heard and time.monotonic() < deadline:
            time.sleep(0.05)
        rig.server.kill()
        reading.result(timeout=30)
    assert reader.last
    assert not reader.ended
    rig.start_server()
    reader.read(cut_after=1_000_000)

    assert reader.ended
    assert [number for number, _ in reader.milestones] == list(range(1, reader.last + 1))
