"""The overview: one line that says whether all is well, what it rests on, and the pause of the intake."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest
from served import Served, token

from sora2api.web.operations.overview import Overview
from sora2api.web.views.overview import status_line

SMALL = {"model": "sora-video", "prompt": "a kettle", "size": "160x96", "seconds": 1}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that was never used, on the sandbox."""
    with Served(tmp_path_factory.mktemp("overview"), "--sandbox-delay", "0") as served:
        asyncio.run(served.prepare())
        yield served


def ask(served: Served) -> httpx2.Response:
    headers = {"Authorization": "Bearer han1234", "Prefer": "wait=30"}
    return httpx2.post(f"{served.url}/v1/videos", json=SMALL, headers=headers, timeout=60, trust_env=False)


def overview(served: Served) -> dict[str, Any]:
    return served.api("viewer").get("/overview").json()


def test_a_new_server_is_well_and_teaches_the_first_request(fresh):
    shown = fresh.page.get("/").text

    assert "<strong>All is well.</strong>" in shown
    assert "0 making, 0 waiting, 0 ill." in shown
    assert f"curl -N {fresh.url}/v1/chat/completions" in shown
    assert "Bearer han1234" in shown
    assert "/admin/accounts/add" in shown
    assert len(shown) < 40_000


def test_the_first_page_of_a_connection_is_wholly_in_the_readers_language(fresh):
    cookies = {**fresh.page.client.cookies, "sora2api_language": "ru"}
    shown = httpx2.get(f"{fresh.url}/admin/", cookies=cookies, trust_env=False).text

    assert "<strong>Всё в порядке.</strong>" in shown
    assert "Обзор" in shown


def test_what_was_made_is_counted_in_the_hour_and_the_day(fresh):
    before = overview(fresh)

    assert ask(fresh).json()["status"] == "completed"
    after = overview(fresh)

    for spans, number in (("hours", 24), ("days", 30)):
        assert len(after[spans]) == number
        counted = [sum(span["modes"].get("video", 0) for span in each[spans]) for each in (before, after)]
        assert counted[1] == counted[0] + 1
        assert sum(span["seconds"].get("sora-video", 0) for span in after[spans]) >= 1
        assert any(span["making"]["p50"] is not None for span in after[spans])
    assert "Jobs by mode" in fresh.page.get("/").text
    assert "Jobs in 30 days" in fresh.page.get("/?span=month").text


def test_a_paused_intake_is_said_and_taken_back(fresh):
    page = fresh.page

    paused = page.post("/do/intake.pause", csrf=token(page.get("/")), next="/admin/")
    refused = ask(fresh)
    undone = fresh.api("operator").post("/intake/resume", json={})

    assert "the intake is paused" in paused.text
    assert "Undo" in paused.text
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "intake_paused")
    assert undone.json() == {"paused": False}
    assert ask(fresh).status_code == 200


def test_viewers_see_it_and_pause_nothing(fresh):
    refused = fresh.api("viewer").post("/intake/pause", json={})

    assert refused.status_code == 403
    assert overview(fresh)["paused"] is False


def test_the_worst_trouble_is_in_the_status_line(fresh):
    well = msgspec.convert(overview(fresh), Overview)
    aside = [{"name": "fancy", "distribution": "fancy 1.0", "reason": "ImportError"}]

    def told(**over: object) -> tuple[str, str]:
        line = status_line(msgspec.convert(msgspec.to_builtins(well) | over, Overview))
        return line.tone, line.headline

    assert told() == ("good", "All is well.")
    assert told(set_aside=aside) == ("warn", "1 plugin is set aside.")
    assert told(set_aside=aside, conditions={"ready": 1, "ill": 2}) == ("warn", "2 accounts need you.")
    assert told(paused=True, conditions={"ready": 1, "ill": 2})[0] == "warn"
    assert told(queue=5, queue_limit=5, paused=True) == ("bad", "The queue is full: no new jobs.")
    assert told(conditions={"ill": 1}) == ("bad", "No account can take a job.")
    assert told(disk_free=1, disk_reserve=2)[0] == "bad"
