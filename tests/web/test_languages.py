"""The pages in the panel's other languages: nothing that we say ourselves is left in English."""

import asyncio
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from running import Running
from served import Served, token

from sora2api.web.words import COOKIE, LANGUAGES, SOURCE

OTHERS = [language for language in LANGUAGES if language != SOURCE]
SECRET = "sk-sandbox"
REFUSED = "harbour security says nay"
"""What the engine says of what it does not make."""
PATIENCE = 60.0
QUOTED = {"script", "style", "code", "pre", "q", "kbd", "textarea", "option", "datalist", "del", "ins"}
"""Elements that hold names, values, and what others said."""
SAID_IN = {"title", "aria-label", "placeholder", "data-ask", "alt"}
ENGLISH = re.compile(r"[A-Za-z][a-z]+(?: [a-z]{2,}){2,}")
"""Three words in a row or more."""


class Words(HTMLParser):
    """The texts of a page that are ours."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._quoted = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._quoted += tag in QUOTED
        self.texts += [value for name, value in attrs if name in SAID_IN and value]

    def handle_endtag(self, tag: str) -> None:
        self._quoted -= tag in QUOTED

    def handle_data(self, data: str) -> None:
        if not self._quoted:
            self.texts.append(" ".join(data.split()))


def english(page: str) -> list[str]:
    said = [re.sub(r"`[^`]*`", "", text) for text in Words(page).texts if REFUSED not in text]
    return [found for text in said for found in ENGLISH.findall(text)]


class Panel:
    """A server with a job that failed, one that waits, and an account that was set aside."""

    def __init__(self, served: Served, engine: Running) -> None:
        self.served = served
        given = {"driver": "openai", "base_url": f"{engine.url}/v1", "token": SECRET, "name": "box"}
        added = self.call("POST", "/accounts", **given, settings={"dialect": "sandbox"})
        self.account = added["account"]["id"]
        self._http = httpx2.Client(
            base_url=served.url,
            headers={"Authorization": f"Bearer {added['issued']['key']}"},
            timeout=60,
            trust_env=False,
        )
        refusal = {"error": {"message": REFUSED, "type": "invalid_request_error", "code": "invalid_value"}}
        fault = {"method": "POST", "path": "/v1/videos", "status": 400, "body": refusal}
        httpx2.post(f"{engine.url}/_sandbox/faults", json=[fault], trust_env=False).raise_for_status()
        self.failed = self.ask(until=lambda job: job["status"] == "failed")
        self.call("PATCH", f"/accounts/{self.account}", token="of yesterday")
        self.call("POST", f"/accounts/{self.account}/test")
        self.waiting = self.ask(until=lambda job: bool(job["waiting_for"]))

    def call(self, method: str, path: str, **body: Any) -> Any:
        reply = self.served.api().request(method, path, json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def close(self) -> None:
        self._http.close()

    def ask(self, *, until: Any) -> str:
        """The id of a new job that has come so far."""
        body = {"model": "sora-2", "prompt": "7", "size": "1280x720", "seconds": "4"}
        reply = self._http.post("/v1/videos", json=body)
        assert reply.status_code == 200, reply.text
        job, patience = reply.json()["id"], time.monotonic() + PATIENCE
        while not until(self.served.api().get(f"/jobs/{job}").json()["job"]):
            assert time.monotonic() < patience
        return str(job)

    def page(self, path: str, language: str) -> str:
        self.served.page.client.cookies.set(COOKIE, language)
        page = self.served.page.get(path)
        assert page.status_code == 200, path
        return page.text


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with (
        Running("sandbox", tmp_path_factory.mktemp("engine"), "--delay", "0", "--key", SECRET) as engine,
        Served(tmp_path_factory.mktemp("languages")) as served,
    ):
        asyncio.run(served.prepare())
        panel = Panel(served, engine)
        yield panel
        panel.close()


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/jobs", "/jobs/{failed}", "/jobs/{waiting}", "/accounts", "/accounts/{account}", "/accounts/add"),
        *("/accounts/{account}/edit", "/accounts/import", "/studio", "/keys", "/models", "/proxies", "/webhooks"),
        *("/plugins", "/plugins?open=driver.openai", "/requests", "/audit", "/users", "/settings", "/me"),
    ],
)
def test_nothing_that_we_say_is_left_in_english(panel, path, language):
    page = panel.page(path.format(failed=panel.failed, waiting=panel.waiting, account=panel.account), language)

    assert english(page) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_refused_job_says_what_that_means_beside_the_engines_own_words(panel, language):
    page = panel.page(f"/jobs/{panel.failed}", language)

    assert {"ru": "<dd>видео · video</dd>", "zh": "<dd>视频 · video</dd>"}[language] in page
    assert {"ru": "Движок не принимает этот запрос.", "zh": "引擎不接受此请求。"}[language] in page
    assert f"<q>{REFUSED}</q>" in page


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("settings.set", {"name": "port", "value": "70000"}),
        ("settings.set", {"name": "deadlines", "value": "image"}),
        ("accounts.add", {"driver": "openai", "base_url": "engine"}),
        ("keys.create", {"name": "a", "expires": "soon"}),
        ("proxies.add", {"name": "p", "url": "nowhere"}),
        ("jobs.cancel", {"id": "video_0"}),
    ],
)
def test_a_form_is_refused_in_the_readers_language(panel, operation, fields, language):
    client = panel.served.page.client
    client.cookies.set(COOKIE, language)
    csrf = token(panel.served.page.get("/"))
    headers = {"Origin": panel.served.url, "Accept": "application/json"}

    refused = client.post(f"/admin/do/{operation}", data={"csrf": csrf, **fields}, headers=headers)

    said = refused.json()["error"]["message"]
    assert 400 <= refused.status_code < 500
    assert ENGLISH.findall(re.sub(r"`[^`]*`", "", said)) == []
    assert not said.isascii()


def test_programs_are_told_in_english_whatever_they_accept(panel):
    refused = panel.served.api().get("/jobs/video_0", headers={"Accept-Language": "ru"})

    assert refused.json()["error"]["message"] == "There is no job 'video_0' here."
