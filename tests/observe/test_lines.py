"""The log on the console as JSON."""

import json
import logging
from typing import Any

import httpx2
import pytest
from rig import Rig
from yarl import URL

from sora2api.egress.trace import JOB
from sora2api.observe.logs import Console, Lines

PASSWORD = "marked-proxy-password-41aa"
FIXED = ("at", "level", "logger", "message")


def record(message: str = "said", **data: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "sora2api.test", "levelname": "WARNING", "msg": message, **data})


def test_every_line_of_a_server_is_an_object_that_says_whose_it_is(rig: Rig):
    rig.start_sandbox("--delay", "0")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--log-format", "json", "--log-level", "debug")
    made = rig.http.post("/v1/videos", json={"model": "sora-video", "prompt": "x", "size": "160x96", "seconds": 1})
    job = made.json()["id"]
    rig.ended(job)
    rig.misbehave(method="POST", path="/v1/videos", status=400)
    failed = rig.ask("y")
    assert rig.ended(failed)["status"] == "failed"
    refused = httpx2.get(f"{rig.server.url}/v1/models")
    rig.server.stop()

    lines = [json.loads(line) for line in rig.log.splitlines()]

    assert [line for line in lines if not all(isinstance(line.get(name), str) for name in FIXED)] == []
    of_request = {line["message"] for line in lines if line.get("request") == made.headers["x-request-id"]}
    of_job = {line["message"] for line in lines if line.get("job") == job}
    assert {"request", "job ended"} <= of_request
    assert "job ended" in of_job
    ended = next(line for line in lines if line["message"] == "job ended" and line["job"] == failed)
    assert (ended["status"], ended["code"], ended["level"]) == ("failed", "rejected_by_engine", "info")
    assert any(line.get("request") == refused.headers["x-request-id"] and line["status"] == 401 for line in lines)
    assert rig.key not in rig.log


def test_a_line_written_within_a_job_names_it():
    token = JOB.set("video_1")
    try:
        line = json.loads(Lines().format(record()))
    finally:
        JOB.reset(token)

    assert line["job"] == "video_1"


@pytest.mark.parametrize("formatter", [Console(), Lines()])
def test_no_secret_is_in_a_line(formatter):
    said = formatter.format(
        record("%s failed", args=(f"http://user:{PASSWORD}@proxy",), url=URL(f"socks5://u:{PASSWORD}@p"))
    )

    assert PASSWORD not in said
    assert "failed" in said


def test_a_fault_is_told_to_people_without_its_secrets():
    with pytest.raises(ValueError, match="proxy") as caught:
        raise ValueError(f"http://user:{PASSWORD}@proxy")

    said = Console().format(record(exc_info=(caught.type, caught.value, caught.tb)))

    assert "ValueError" in said
    assert PASSWORD not in said


def test_a_fault_is_told_with_its_traceback_in_one_line():
    with pytest.raises(ValueError, match="second line") as caught:
        raise ValueError(f"http://user:{PASSWORD}@proxy\nsecond line")

    said = Lines().format(record(exc_info=(caught.type, caught.value, caught.tb)))

    assert "\n" not in said
    assert PASSWORD not in said
    assert "second line" in json.loads(said)["traceback"]


def test_what_json_does_not_know_is_told_as_text():
    line = json.loads(Lines().format(record(path=b"\xff", odd="\ud800", many=[1, 2], number=1.5, nothing=None)))

    assert (line["path"], line["many"]) == ("b'\\xff'", "[1, 2]")
    assert (line["number"], line["nothing"]) == (1.5, None)
