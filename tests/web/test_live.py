"""What an open page is told of changes, over real server-sent events."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx2
from commands import told
from running import Running
from served import PASSWORD, Page, Served, token

from sora2api.web.live import EVERY, MOST_STREAMS

PATIENCE = 20


class Listener:
    """An open page, and what it is told."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def told(self) -> Iterator[dict]:
        for line in self._lines:
            if line.startswith("data: "):
                yield json.loads(line[6:])

    def told_of(self, topic: str) -> dict:
        return next(told for told in self.told() if topic in told.get("topics", ()))


@contextmanager
def listening(page: Page, **query: str) -> Iterator[Listener]:
    with page.client.stream("GET", "/admin/live", params=query, timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        yield Listener(answer.iter_lines())


@contextmanager
def another_login(served: Served) -> Iterator[Page]:
    page = Page(served.url)
    with closing(page.client):
        page.log_in("admin", PASSWORD)
        yield page


def list_proxy(served: Served, name: str) -> None:
    assert served.api().post("/proxies", json={"name": name, "url": "http://127.0.0.1:9"}).status_code == 200


def begin(served: Served, prompt: str) -> str:
    """Begin a small job with the default key; its id."""
    body = {"model": "sora-video", "size": "160x96", "seconds": 1, "prompt": prompt}
    headers = {"Authorization": "Bearer han1234"}
    return httpx2.post(f"{served.url}/v1/videos", json=body, headers=headers, timeout=PATIENCE).json()["id"]


def test_a_page_is_told_what_an_operation_has_changed(served: Served):
    with listening(served.page) as listener:
        list_proxy(served, "heard")

        assert listener.told_of("proxies")


def test_a_page_is_told_how_its_jobs_go_and_that_they_have_ended(served: Served):
    job = begin(served, "A slow boat")
    glances = []
    with listening(served.page, jobs=job) as listener:
        for told in listener.told():
            glances += told.get("jobs", ())
            if glances and "jobs" in told.get("topics", ()) and not told.get("jobs"):
                break
    percents = [glance["percent"] for glance in glances]

    assert {glance["id"] for glance in glances} == {job}
    assert percents == sorted(percents)


def test_a_page_is_told_what_the_server_finds_out_of_an_account(tmp_path: Path):
    state = ("--data-dir", str(tmp_path / "data"))
    given = ("--driver", "openai", "--token", "sk-sandbox", "--set", "dialect=sandbox")
    with Running("sandbox", tmp_path / "engine") as engine, Running("serve", tmp_path / "data") as server:
        page = Page(server.url)
        with closing(page.client):
            page.settle_in()
            with listening(page) as listener:
                told("account", "add", "--base-url", f"{engine.url}/v1", *given, *state)
                while not told("account", "list", *state)[0]["checked_at"]:
                    listener.told_of("accounts")


def test_changes_that_come_together_are_told_together(served: Served):
    with listening(served.page) as listener:
        list_proxy(served, "first of many")
        listener.told_of("proxies")
        began = time.monotonic()
        for number in range(5):
            list_proxy(served, f"many {number}")
        listener.told_of("proxies")

        assert time.monotonic() - began > EVERY / 2


def test_nobody_listens_without_a_login(served: Served):
    assert httpx2.get(f"{served.url}/admin/live", follow_redirects=False).status_code == 303


def test_a_page_hears_nothing_more_when_its_login_has_ended(served: Served):
    with another_login(served) as page, listening(page) as listener:
        assert page.post("/logout", csrf=token(page.get("/"))).status_code == 200

        assert [told for told in listener.told() if told.keys() - {"topics", "jobs"}] == []


def test_a_login_has_only_so_many_pages_that_listen(served: Served):
    with another_login(served) as page, ExitStack() as streams:
        for _ in range(MOST_STREAMS):
            streams.enter_context(listening(page))

        assert page.get("/live").status_code == 204


def test_a_stop_of_the_server_ends_what_pages_hear(tmp_path: Path):
    with Running("serve", tmp_path) as server:
        page = Page(server.url)
        with closing(page.client):
            page.settle_in()
            with listening(page) as listener:
                began = time.monotonic()
                assert server.stop() == 0

                assert list(listener.told()) == []
                assert time.monotonic() - began < PATIENCE / 2
