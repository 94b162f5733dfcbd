"""Days on which a finished video is hard to get: it is fetched until it is whole, and made once."""

from io import BytesIO

import av
import pytest

CONTENT = {"method": "GET", "path": "/v1/videos/*/content"}
HTML = {"Content-Type": "text/html"}


def seconds(content: bytes) -> float:
    with av.open(BytesIO(content)) as container:
        stream = container.streams.video[0]
        return sum(1 for _ in container.decode(stream)) / float(stream.average_rate)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"close": 1000}, "fetch broke .*code=network_fault"),
        pytest.param({"close": "before"}, "fetch broke .*code=network_fault", marks=pytest.mark.slow),
        ({"garbage": True}, "fetch broke .*code=invalid_video"),
        pytest.param(
            {"status": 200, "body": "<html>Welcome</html>", "headers": HTML},
            "fetch broke .*code=invalid_video",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"status": 500, "body": "<html>Sorry</html>", "headers": HTML},
            "fetch broke .*code=engine_fault",
            marks=pytest.mark.slow,
        ),
        ({"headers": HTML}, "status=completed"),
        pytest.param({"delay": 1.2}, "status=completed", marks=pytest.mark.slow),
        pytest.param({"pause": 1.2}, "status=completed", marks=pytest.mark.slow),
    ],
    ids=["truncated", "reset", "garbage", "html-200", "html-500", "wrong-type", "slow-headers", "slow-body"],
)
def test_a_video_is_fetched_until_it_is_whole(day, fault, said):
    day.rig.misbehave(**CONTENT, **fault, times=2)
    job = day.begin()
    day.completed(job)

    content = day.rig.get(f"/v1/videos/{job}/content")
    assert content.headers["content-type"] == "video/mp4"
    assert abs(seconds(content.content) - 1) < 0.2
    day.settled(creates=1, says=(said,))
