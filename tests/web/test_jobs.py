"""The jobs in the panel: the list and its pages, all of one job, and what an operator may do with them."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest
from served import Served, token

from sora2api.store.database import FILE

MARKUP = '<script>alert("1")</script>'
NEW = ("queued", "in_progress")


class Clients:
    """A server of its own, on the sandbox, and a client of its API."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.http = httpx2.Client(
            base_url=served.url, headers={"Authorization": "Bearer han1234"}, timeout=60, trust_env=False
        )

    def ask(self, prompt: str, **fields: Any) -> str:
        body = {"model": "sora-video", "prompt": prompt, "size": "160x96", "seconds": 1, **fields}
        reply = self.http.post("/v1/videos", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["id"]

    def made(self, prompt: str, **fields: Any) -> str:
        return self.over(self.ask(prompt, **fields))

    def over(self, job: str) -> str:
        with self.http.stream("GET", f"/v1/videos/{job}/events") as events:
            events.read()
        return job

    def get(self, path: str, *, role: str = "viewer", **query: Any) -> Any:
        reply = self.served.api(role).get(path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def listed(self, **query: Any) -> list[str]:
        return [job["id"] for job in self.get("/jobs", **query)["jobs"]]

    def operate(self, path: str, *, role: str = "operator", method: str = "POST", **body: Any) -> httpx2.Response:
        return self.served.api(role).request(method, path, json=body)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with Served(tmp_path_factory.mktemp("jobs"), "--sandbox-delay", "0.3") as served:
        asyncio.run(served.prepare())
        clients = Clients(served)
        yield clients
        clients.http.close()


@pytest.fixture
def slow(tmp_path: Any) -> Iterator[Clients]:
    """Its jobs take longer than any test."""
    with Served(tmp_path, "--sandbox-delay", "600") as served:
        asyncio.run(served.prepare())
        clients = Clients(served)
        yield clients
        clients.http.close()


def test_pages_of_the_list_meet_and_leave_nothing_out(clients):
    asked = [clients.made(f"page {number}") for number in range(5)]

    first = clients.get("/jobs", search="page ", limit=2)
    second = clients.get("/jobs", search="page ", limit=2, after=first["older"])
    third = clients.get("/jobs", search="page ", limit=2, after=second["older"])
    back = clients.get("/jobs", search="page ", limit=2, before=second["newer"])

    pages = [[job["id"] for job in page["jobs"]] for page in (first, second, third)]
    assert [job for page in pages for job in page] == asked[::-1]
    assert (first["newer"], third["older"]) == (None, None)
    assert [job["id"] for job in back["jobs"]] == pages[0]


def test_a_list_is_narrowed_by_each_filter(clients):
    job = clients.made("a very blue heron")
    other = clients.made("an owl", model="sora-2", size="1280x720", seconds="4")
    now = time.time()

    assert clients.listed(search="BLUE heron") == [job]
    assert clients.listed(search=job) == [job]
    assert clients.listed(search=job[:20]) == [job]
    assert clients.listed(model="sora-2") == [other]
    assert job in clients.listed(state="done", key="default", account="sandbox", mode="video", within=3600)
    assert clients.listed(state="failed", search="heron") == []
    assert clients.listed(key="nobody") == clients.listed(account="nobody") == clients.listed(mode="remix") == []
    assert clients.listed(since=now + 60) == clients.listed(until=now - 3600) == []


@pytest.mark.parametrize("query", [{"state": "odd"}, {"limit": "0"}, {"after": "x"}, {"since": "noon"}])
def test_what_cannot_be_asked_for_is_said(clients, query):
    reply = clients.served.api("viewer").get("/jobs", params=query)

    assert reply.status_code == 400
    assert reply.json()["error"]["code"]


def test_a_job_is_shown_whole(clients):
    job = clients.made("a lighthouse in the mist")

    whole = clients.get(f"/jobs/{job}")
    (video,) = whole["made"]

    assert whole["job"]["status"] == "completed"
    assert whole["request"]["prompt"] == "a lighthouse in the mist"
    assert [task["account"] for task in whole["history"]["tasks"]] == ["sandbox"]
    assert {"accepted", "output", "ended"} <= {event["data"]["type"] for event in whole["history"]["events"]}
    assert httpx2.get(clients.served.url + video["path"], trust_env=False).content[4:8] == b"ftyp"
    assert httpx2.get(whole["share"], trust_env=False).status_code == 200


def test_the_pages_play_and_list_what_was_made(clients):
    job = clients.made(f"a kite {MARKUP}")
    page = clients.served.page

    listed, shown = page.get("/jobs").text, page.get(f"/jobs/{job}").text

    assert f"/admin/jobs/{job}" in listed
    assert "<video controls" in shown
    assert "Where the time went" in shown
    assert MARKUP not in listed + shown
    assert "&lt;script&gt;" in listed
    assert "&lt;script&gt;" in shown
    assert len(listed) < 40_000
    assert len(shown) < 40_000


def test_a_job_that_is_not_there_is_not_found(clients):
    assert clients.served.api("viewer").get("/jobs/video_0").status_code == 404
    assert clients.served.page.get("/jobs/video_0").status_code == 404


def test_a_job_runs_again_as_its_owner(clients):
    job = clients.made("a carousel")

    again = clients.operate(f"/jobs/{job}/again")
    clients.over(again.json()["id"])

    assert again.json()["id"] != job
    assert clients.listed(search="carousel") == [again.json()["id"], job]
    assert clients.http.get(f"/v1/videos/{again.json()['id']}").json()["status"] == "completed"


def test_a_job_with_a_picture_runs_again_with_that_picture(clients):
    picture = clients.http.post(
        "/v1/images/generations", json={"model": "gpt-image", "prompt": "a hill", "size": "160x96"}
    ).json()["data"][0]["b64_json"]
    reference = {"image_url": f"data:image/png;base64,{picture}"}
    job = clients.made("the hill moves", input_reference=reference)

    again = clients.operate(f"/jobs/{job}/again").json()["id"]
    clients.over(again)
    files = [clients.get(f"/jobs/{each}")["files"] for each in (job, again)]
    inputs = [[file["id"] for file in each if file["role"] == "input"] for each in files]

    assert [len(each) for each in inputs] == [1, 1]
    assert inputs[0] != inputs[1]
    assert clients.get(f"/jobs/{again}")["job"]["status"] == "completed"


def test_a_deleted_job_leaves_nothing(clients):
    job, other = clients.made("a secret garden"), clients.made("a secret door")
    link = clients.get(f"/jobs/{job}")["made"][0]["path"]

    gone = clients.operate(f"/jobs/{job}", method="DELETE")
    both = clients.operate("/jobs/delete", ids=[job, other])

    assert gone.status_code == 200
    assert both.json() == {"ids": [other]}
    assert clients.listed(search="secret") == []
    assert httpx2.get(clients.served.url + link, trust_env=False).status_code == 404
    assert clients.http.get(f"/v1/videos/{job}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/again"),
        ("POST", "/jobs/cancel"),
        ("POST", "/jobs/delete"),
        ("DELETE", "/jobs/{}"),
    ],
)
def test_viewers_only_look(clients, method, path):
    job = clients.made("a fence")

    refused = clients.operate(path.format(job), role="viewer", method=method, ids=[job])

    assert refused.status_code == 403
    assert clients.get(f"/jobs/{job}")["job"]["status"] == "completed"


def test_a_form_deletes_those_that_are_chosen(clients):
    jobs = [clients.made(f"chosen {number}") for number in range(2)]
    page = clients.served.page

    done = page.post("/do/jobs.delete_all", csrf=token(page.get("/jobs")), ids="\n".join(jobs), next="/admin/jobs")

    assert "Deleted: 2." in done.text
    assert clients.listed(search="chosen") == []


def test_jobs_under_way_say_why_they_wait_and_are_cancelled(slow):
    jobs = [slow.ask(f"number {number}") for number in range(10)]
    deadline = time.monotonic() + 20
    while len(slow.listed(state="making")) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    waiting = slow.get("/jobs", state="waiting")["jobs"]
    shown = slow.served.page.get(f"/jobs/{waiting[0]['id']}").text
    one = slow.operate(f"/jobs/{jobs[0]}/cancel").json()
    nothing = slow.operate("/jobs/cancel")
    chosen = slow.operate("/jobs/cancel", ids=jobs[:2]).json()
    rest = slow.operate("/jobs/cancel", state="making").json()

    assert "sandbox" in waiting[0]["waiting_for"]
    assert waiting[0]["waiting_for"] in shown
    assert one["status"] == "cancelled"
    assert nothing.status_code == 400
    assert chosen == {"ids": [jobs[1]]}
    assert len(rest["ids"]) >= 6
    assert jobs[0] in slow.listed(state="failed")


@pytest.fixture
def connected(tmp_path: Any) -> Iterator[Clients]:
    """An engine is connected, which does not answer: the sandbox is out of use."""
    with Served(tmp_path, "--sandbox-delay", "0.3") as served:
        asyncio.run(served.prepare())
        clients = Clients(served)
        yield clients
        clients.http.close()


def connect(clients: Clients) -> None:
    """Connect an engine that does not answer: from then on the sandbox is out of use, and stopped."""
    engine = {"name": "away", "driver": "openai", "base_url": "http://127.0.0.1:9/v1", "token": "x"}
    assert clients.operate("/accounts", **engine).status_code == 200


def booked(clients: Clients) -> list[tuple[str, int, int]]:
    """What was counted, and what it cost, by account."""
    with closing(sqlite3.connect(clients.served.folder / FILE)) as database:
        return database.execute("SELECT account_id, jobs, cost FROM usage").fetchall()


def ended(clients: Clients, job: str) -> Any:
    """A job once it is over. The default API key is so no more, now that an engine is connected."""
    deadline = time.monotonic() + 60
    while not (found := clients.get(f"/jobs/{job}"))["job"]["completed_at"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_a_job_is_tried_on_the_sandbox_though_an_engine_is_connected(connected):
    price = {"makes": "video", "size": "160x96", "seconds": 1, "cost_per_second": 0.5}
    assert connected.operate("/models/priced", method="PATCH", **price).status_code == 200
    job = connected.made("a trial balloon", model="priced")
    before = booked(connected)
    connect(connected)

    tried = connected.operate(f"/jobs/{job}/again", sandbox=True).json()["id"]
    found = ended(connected, tried)

    assert found["job"]["status"] == "completed"
    assert found["job"]["sandbox"]
    assert not connected.get(f"/jobs/{job}")["job"]["sandbox"]
    assert [task["account"] for task in found["history"]["tasks"]] == ["sandbox"]
    assert booked(connected) == before == [("sandbox", 1, 500_000)]
    assert "A trial on the built-in sandbox" in connected.served.page.get(f"/jobs/{tried}").text


def test_only_what_is_tried_goes_to_the_sandbox(connected):
    job = connected.made("a paper kite")
    connect(connected)

    tried = connected.operate(f"/jobs/{job}/again", sandbox=True).json()["id"]
    real = connected.operate(f"/jobs/{job}/again").json()["id"]
    ended(connected, tried)

    assert {task["account"] for task in connected.get(f"/jobs/{real}")["history"]["tasks"]} <= {"away"}
