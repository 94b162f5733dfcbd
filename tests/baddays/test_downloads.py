"""Days on which a finished video is hard to get: it is fetched until it is whole, and made once."""

from io import BytesIO

import av
import pytest

pytestmark = pytest.mark.slow

CONTENT = {"method": "GET", "path": "/v1/videos/*/content"}
HTML = {"Content-Type": "text/html"}


def seconds(content: bytes) -> float:
    with av.open(BytesIO(content)) as container:
        stream = container.streams.video[0]
        return sum(1 for _ in container.decode(stream)) / float(stream.average_rate)


BROKE = "fetch broke .*code="
WELL = "status=completed"
FAULTS = {
    "truncated": ({"close": 1000}, f"{BROKE}network_fault"),
    "garbage": ({"garbage": True}, f"{BROKE}invalid_video"),
    "wrong-type": ({"headers": HTML}, WELL),
}
OTHERS = {
    "reset": ({"close": "before"}, f"{BROKE}network_fault"),
    "html-200": ({"status": 200, "body": "<html>Welcome</html>", "headers": HTML}, f"{BROKE}invalid_video"),
    "html-500": ({"status": 500, "body": "<html>Sorry</html>", "headers": HTML}, f"{BROKE}engine_fault"),
    "slow-headers": ({"delay": 1.2}, WELL),
    "slow-body": ({"pause": 1.2}, WELL),
}


@pytest.mark.parametrize("name", [*FAULTS, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_a_video_is_fetched_until_it_is_whole(day, name):
    fault, said = (FAULTS | OTHERS)[name]
    day.rig.misbehave(**CONTENT, **fault, times=2)
    job = day.begin()
    day.completed(job)

    content = day.rig.get(f"/v1/videos/{job}/content")
    assert content.headers["content-type"] == "video/mp4"
    assert abs(seconds(content.content) - 1) < 0.2
    day.settled(creates=1, says=(said,))


def test_a_video_is_not_given_up_while_its_account_is_not_let_in(rig, bad_day):
    rig.start_sandbox("--delay", "0.5")
    rig.connect()
    rig.start_server("--poll-interval", "0.5")
    day = bad_day(rig)
    refused = {"status": 401, "body": {"error": {"message": "no", "code": "invalid_api_key"}}}
    rig.misbehave(**CONTENT, **refused, times=3)
    job = day.begin()

    day.completed(job)
    day.settled(creates=1, says=("fetch not allowed .*code=account_rejected", "account set aside", WELL))
