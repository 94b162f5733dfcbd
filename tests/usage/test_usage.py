"""What was made is counted once, with the end of the job that made it: exactly, whatever happens."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from keyed import SMALL, KeyedRig

from sora2api.auth.limits import Limits

pytestmark = pytest.mark.slow

REFUSAL = {"error": {"message": "No.", "type": "invalid_request_error", "code": "moderation_blocked", "param": None}}
COUNTED = "select key_id, code, sum(jobs), sum(seconds), sum(images), sum(cost) from usage group by 1, 2 order by 1, 2"
TRUE = """select owner, coalesce(json_extract(error, '$.code'), ''), count(*),
    sum(case when status = 'completed' and kind = 'video' then 1.0 else 0.0 end) from jobs
    where completed_at is not null group by 1, 2 order by 1, 2"""


def today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def over(rig: KeyedRig) -> None:
    end = time.monotonic() + 60
    while rig.rows("select id from jobs where completed_at is null"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_was_made_is_counted_by_key_account_model_and_end(rig):
    keys = rig.make_keys(laptop=Limits(), phone=Limits())
    rig.price("sora-video", per_second=250_000)
    rig.price("sora-image", per_image=40_000)
    rig.start_server()

    videos = [rig.made("laptop", seconds=seconds) for seconds in (1, 2)]
    with rig.client("phone") as client:
        image = client.post("/v1/images/generations", json={"model": "sora-image", "prompt": "a lantern", "n": 3})
    rig.misbehave(method="POST", path="/v1/videos", status=400, body=REFUSAL)
    assert rig.made("phone")["status"] == "failed"

    assert (len(image.json()["data"]), [video["status"] for video in videos]) == (3, ["completed"] * 2)
    (sizes,) = rig.rows("select sum(bytes) from assets where role = 'output' and kind = 'video'")
    by_model = {row["model"]: row for row in rig.run("usage", "--by", "model")}
    assert by_model["sora-video"] == {
        "model": "sora-video",
        "jobs": 2,
        "failures": {"moderation_blocked": 1},
        "seconds": 3.0,
        "images": 0,
        "bytes": sizes[0],
        "cost": 0.75,
    }
    assert (by_model["sora-image"]["images"], by_model["sora-image"]["cost"]) == (3, 0.12)
    by_key = {row["name"]: row for row in rig.run("usage", "--by", "key")}
    assert by_key["laptop"]["key"] == keys["laptop"].id
    assert (by_key["laptop"]["jobs"], by_key["laptop"]["failures"]) == (2, {})
    assert (by_key["phone"]["jobs"], by_key["phone"]["failures"]) == (1, {"moderation_blocked": 1})
    (box,) = rig.run("usage", "--by", "account")
    assert (box["name"], box["jobs"], box["cost"]) == ("box", 3, 0.87)
    (day,) = rig.run("usage")
    assert (day["day"], day["jobs"], day["failures"]) == (today(), 3, {"moderation_blocked": 1})
    shown = rig.run("key", "show", "laptop")
    assert (shown["today"]["seconds"], shown["this_month"]["cost"], shown["jobs_in_flight"]) == (3.0, 0.75, 0)


def test_what_is_counted_stays_when_the_video_is_deleted(rig):
    rig.make_keys(laptop=Limits())
    rig.start_server()
    video = rig.made("laptop")

    with rig.client("laptop") as client:
        assert client.delete(f"/v1/videos/{video['id']}").status_code == 200

    assert [row["jobs"] for row in rig.run("usage")] == [1]


def test_a_job_counts_on_the_day_of_its_end(rig):
    """Each day has rows of its own, which later ones only add to."""
    keys = rig.make_keys(laptop=Limits())
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    rig.change("insert into usage values (?, ?, 'acc', 'sora-video', '', 7, 7, 0, 70, 0)", keys["laptop"].id, yesterday)
    rig.start_server()

    rig.made("laptop")
    rig.made("laptop")

    assert [(row["day"], row["jobs"], row["seconds"]) for row in rig.run("usage")] == [
        (yesterday, 7, 7.0),
        (today(), 2, 2.0),
    ]
    assert [row["day"] for row in rig.run("usage", "--since", today())] == [today()]
    assert rig.run("key", "show", "laptop")["today"]["jobs"] == 2


def test_nothing_is_lost_or_counted_twice_when_the_server_is_killed(rig):
    keys = rig.make_keys(laptop=Limits())
    rig.price("sora-video", per_second=100_000)

    for number in range(3):
        rig.start_server()
        rig.at_once("laptop", 5)
        end = time.monotonic() + 30
        while len(rig.rows("select id from jobs where completed_at is not null")) < 5 * number + 2:
            assert time.monotonic() < end
        rig.server.kill()
        assert [row[:4] for row in rig.rows(COUNTED)] == rig.rows(TRUE)
    rig.start_server()
    over(rig)

    assert rig.rows(COUNTED) == [(keys["laptop"].id, "", 15, 15.0, 0, 1_500_000)]


@pytest.mark.parametrize("point", ["store", "step"])
def test_a_job_that_a_kill_broke_off_is_counted_once(rig, point):
    rig.make_keys(laptop=Limits())
    rig.start_server(fault=point)
    with rig.client("laptop") as client:
        assert client.post("/v1/videos", json=SMALL).status_code == 200
    rig.server.wait()
    assert rig.rows(COUNTED) == []

    rig.start_server()
    over(rig)

    assert [(row["jobs"], row["seconds"]) for row in rig.run("usage")] == [(1, 1.0)]


def test_the_last_use_of_a_key_is_known_after_a_stop(rig):
    rig.make_keys(laptop=Limits(), phone=Limits())
    rig.start_server()
    rig.made("laptop")
    rig.server.stop()

    assert rig.run("key", "show", "laptop")["last_used_at"] == pytest.approx(time.time(), abs=60)
    assert rig.run("key", "show", "phone")["last_used_at"] is None


def test_a_rotated_key_keeps_its_videos_and_its_use(rig):
    rig.make_keys(laptop=Limits(requests_a_minute=100))
    rig.start_server()
    video = rig.made("laptop")
    old = rig.secrets["laptop"]
    rig.secrets["laptop"] = rig.run("key", "rotate", "laptop")["key"]

    end = time.monotonic() + 5
    with rig.client("laptop") as client:
        while client.get("/v1/models").status_code == 401:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert client.get(f"/v1/videos/{video['id']}").status_code == 200
        client.headers["Authorization"] = f"Bearer {old}"
        assert client.get(f"/v1/videos/{video['id']}").status_code == 200
    assert rig.run("key", "show", "laptop")["today"]["jobs"] == 1
