"""A server after some jobs, and what it tells those who scrape it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from metrics.scrapes import Scrape
from rig import Rig

PATIENCE = 30.0
NOBODY = "http://127.0.0.1:1/told"


def until(found: Callable[[], Any]) -> Any:
    """What is found once something is."""
    end = time.monotonic() + PATIENCE
    while not (there := found()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return there


@pytest.fixture(scope="package")
def busy(tmp_path_factory) -> Iterator[Rig]:
    """A server that has made a video and an image, has failed at a video, works at one, and could not tell of it."""
    rig = Rig(tmp_path_factory.mktemp("busy"))
    try:
        rig.start_sandbox("--delay", "0.2")
        rig.connect("--set", "dialect=sandbox")
        near = ("--trusted-proxies", "127.0.0.0/8", "--monitor-allow", "10.1.0.0/16")
        rig.start_server("--fetch-allow", "127.0.0.0/8", "--poll-interval", "0.5", *near)
        small = {"model": "sora-video", "size": "160x96", "seconds": 1, "callback_url": NOBODY}
        rig.ended(rig.http.post("/v1/videos", json=small | {"prompt": "a heron"}).json()["id"])
        rig.http.post("/v1/images/generations", json={"model": "sora-image", "prompt": "a pier"}).raise_for_status()
        rig.misbehave(method="POST", path="/v1/videos", status=400)
        assert rig.ended(rig.ask("a kite"))["status"] == "failed"
        rig.misbehave(method="GET", path="/v1/videos*", status=500, times=1)
        rig.misbehave(method="GET", path="/v1/videos*", change={"status": "in_progress"}, times=1_000_000)
        rig.ask("a tide that never turns")
        assert rig.get("/nowhere/12345").status_code == 404
        until(lambda: {"retried"} <= Scrape(rig.get("/metrics").text).values("sora2api_webhooks", "outcome"))
        until(lambda: {"engine_fault"} <= Scrape(rig.get("/metrics").text).values("sora2api_polls", "outcome"))
        yield rig
    finally:
        rig.close()


@pytest.fixture(scope="package")
def text(busy) -> str:
    reply = httpx2.get(f"{busy.server.url}/metrics")
    assert reply.status_code == 200, reply.text
    return reply.text


@pytest.fixture(scope="package")
def scrape(text) -> Scrape:
    return Scrape(text)
