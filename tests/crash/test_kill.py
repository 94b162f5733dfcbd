"""Nothing is lost and nothing is made twice, wherever the server or its engine is killed."""

import io
import time
from contextlib import suppress

import av
import httpx2
import pytest

pytestmark = pytest.mark.slow

STORYBOARD = "[1.0s]a cat jumps [1.0s]a cat lands [1.0s]a cat runs"
FIVE = ("rain, number 1", "rain, number 2", "the very same words", "the very same words", STORYBOARD)
WITHOUT_SHOTS = ("--without", "shots")
NEEDED = 4 + 3
"""Tasks that the five take at an engine which makes no storyboards by itself."""

FIRST = [("intent", 5), ("submit", 5), ("record", 5), ("store", 3)]
OTHERS = [
    ("intent", 1),
    ("intent", 6),
    ("submit", 7),
    ("record", 7),
    ("fetch", 3),
    ("fetch", 7),
    ("store", 7),
    ("step", 2),
    ("step", 5),
]


def length(content: bytes) -> float:
    """Seconds of a video, as decoded."""
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        return float(frames / stream.average_rate)


def begin(rig, prompts=FIVE) -> list[str]:
    """Begin jobs; the ids of those that were accepted before the server died, if it did."""
    begun = []
    for prompt in prompts:
        try:
            begun.append(rig.ask(prompt))
        except (httpx2.TransportError, StopIteration):
            break
    return begun


def all_complete(rig, begun: list[str]) -> int:
    """All jobs end well, those too that the client has not heard of; how many tasks they took."""
    videos = rig.get("/v1/videos").json()["data"]
    assert set(begun) <= {video["id"] for video in videos}
    for video in videos:
        ended = rig.ended(video["id"])
        assert (ended["status"], ended["progress"]) == ("completed", 100), ended
        content = rig.get(f"/v1/videos/{video['id']}/content")
        assert abs(length(content.content) - (3.0 if video["prompt"] == STORYBOARD else 1.0)) < 0.2
    return sum(3 if video["prompt"] == STORYBOARD else 1 for video in videos)


def test_five_videos_survive_a_kill_and_are_made_once(rig):
    rig.start_sandbox("--delay", "2", *WITHOUT_SHOTS)
    rig.connect()
    rig.start_server()
    begun = begin(rig)
    time.sleep(1)
    rig.server.kill()

    rig.start_server()

    assert all_complete(rig, begun) == NEEDED
    assert rig.creates() == NEEDED


def test_five_videos_survive_a_kill_of_both_and_are_made_once(rig):
    rig.start_sandbox("--delay", "2", *WITHOUT_SHOTS)
    rig.connect()
    rig.start_server()
    begun = begin(rig)
    time.sleep(1)
    rig.server.kill()
    rig.sandbox.kill()

    rig.start_server("--poll-interval", "1")
    rig.start_sandbox("--delay", "0", *WITHOUT_SHOTS)

    assert all_complete(rig, begun) == NEEDED
    assert rig.creates() == NEEDED


@pytest.mark.parametrize(
    ("point", "nth"), [*FIRST, *(pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS)]
)
def test_a_kill_at_each_point_loses_nothing_and_makes_nothing_twice(rig, point, nth):
    rig.start_sandbox("--delay", "1.5", *WITHOUT_SHOTS)
    rig.connect()
    rig.start_server(fault=f"{point}:{nth}")
    begun = begin(rig)
    assert rig.server.wait() == -9

    rig.start_server()

    assert all_complete(rig, begun) == rig.creates()


@pytest.mark.parametrize(
    "point",
    ["submit", "store", *(pytest.param(other, marks=pytest.mark.slow) for other in ("intent", "fetch", "step"))],
)
def test_an_image_is_made_once_wherever_the_server_is_killed(rig, point):
    rig.start_sandbox("--delay", "0")
    rig.connect()
    rig.start_server(fault=point)
    with suppress(httpx2.TransportError, StopIteration):
        rig.ask("a lighthouse", model="sora-image")
    assert rig.server.wait() == -9

    rig.start_server()

    jobs = rig.jobs()
    assert [job["status"] for job in map(rig.ended, jobs)] == ["completed"]
    assert rig.creates() == 1
