"""What /metrics tells: what happened and how things stand, in few series, and to those alone who may read it."""

import asyncio
import re
import shutil
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from metrics.scrapes import Scrape

from sora2api.api.middlewares import errors
from sora2api.egress.trace import Call
from sora2api.errors import InvalidValue
from sora2api.jobs.settings_book import SettingsBook
from sora2api.observe.metrics import EndedJob, Metrics
from sora2api.observe.monitoring import Monitoring
from sora2api.settings import InForce, load
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| [^|]+ \|$", re.MULTILINE)
OWN = ("le",)


def test_jobs_are_counted_by_what_became_of_them(scrape):
    ended = {
        (sample.labels["mode"], sample.labels["state"], sample.labels["code"]): sample.value
        for sample in scrape.families["sora2api_jobs_ended"].samples
        if sample.name.endswith("_total")
    }

    assert ended == {
        ("video", "completed", ""): 1,
        ("image", "completed", ""): 1,
        ("video", "failed", "rejected_by_engine"): 1,
    }
    assert scrape.value("sora2api_jobs", mode="video", state="in_progress") == 1


def test_the_stages_of_what_was_made_are_measured(scrape):
    for stage in ("waiting", "making", "storing"):
        assert scrape.value(f"sora2api_job_{stage}_seconds_count", mode="image") == 1
    assert scrape.value("sora2api_job_making_seconds_sum", mode="video") >= 0.2
    assert scrape.value("sora2api_job_making_seconds_count", mode="video") == 1


def test_slots_accounts_and_the_queue_are_told(scrape):
    assert scrape.value("sora2api_slots", kind="openai", slot="video") == 8
    assert scrape.value("sora2api_slots_used", kind="openai", slot="video") == 1
    assert scrape.value("sora2api_accounts", kind="openai", state="ready") == 1
    assert scrape.value("sora2api_queue_length") == 0
    assert scrape.value("sora2api_queue_limit") == 10_000


def test_what_the_server_does_all_the_time_is_measured(scrape):
    writes = scrape.value("sora2api_database_batch_writes_sum")

    assert writes >= scrape.value("sora2api_database_batch_writes_count") > 5
    assert 0 < scrape.value("sora2api_database_commit_seconds_sum") < 60
    assert scrape.value("sora2api_event_loop_lag_seconds_count") > 0
    assert scrape.value("sora2api_egress_calls_total", proxy="direct", status="2xx") > 3
    assert scrape.value("sora2api_egress_calls_total", proxy="direct", status="4xx") == 1
    assert scrape.value("sora2api_polls_total", outcome="answered") > 0
    assert scrape.value("sora2api_disk_free_bytes") > 0


def test_requests_are_told_apart_by_the_template_of_their_route(scrape):
    posted = {"route": "/v1/videos", "method": "POST", "status": "2xx"}

    assert scrape.value("sora2api_request_seconds_count", **posted) == 1
    assert "/v1/videos/{id}/events" in scrape.values("sora2api_request_seconds", "route")
    assert scrape.value("sora2api_request_seconds_count", route="none", method="GET", status="4xx") == 1


def test_no_label_names_a_job_a_key_or_an_address(busy, text):
    assert not re.search(r'"[^"]*(video_|image_|req_|acct_|key_|sk-|127\.0\.0\.1|nowhere/|heron)[^"]*"', text)
    assert busy.key not in text


def test_unusual_methods_make_one_series(busy):
    for method in ("PROPFIND", "MKCOL", "LOCK"):
        httpx2.request(method, f"{busy.server.url}/v1/videos")

    methods = Scrape(busy.get("/metrics").text).values("sora2api_request_seconds", "method")

    assert "other" in methods
    assert methods <= {"GET", "POST", "other"}


def test_the_page_of_metrics_says_what_there_is(scrape):
    documented = {
        name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(PAGE.read_text())
    }
    told = {
        (name + "_total" if family.type == "counter" else name): (
            family.type,
            {label for sample in family.samples for label in sample.labels if label not in OWN},
        )
        for name, family in scrape.families.items()
        if name.startswith("sora2api_")
    }

    assert documented == told


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_wrong_with_a_scrape(text):
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_open_metrics_are_given_to_who_asks_for_them(busy):
    reply = busy.http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")


# Who may read.


def test_strangers_read_no_metrics_whatever_api_key_they_have(busy):
    relayed = {"X-Forwarded-For": "203.0.113.7"}
    refused = [
        httpx2.get(f"{busy.server.url}/metrics", headers=headers)
        for headers in (relayed, relayed | busy.headers, {"Host": "rebound.example"})
    ]

    assert [(reply.status_code, reply.json()["error"]["code"]) for reply in refused] == [(403, "forbidden")] * 3


def test_a_network_of_watchers_reads_metrics_through_a_trusted_proxy(busy):
    def status(address: str) -> int:
        return httpx2.get(f"{busy.server.url}/metrics", headers={"X-Forwarded-For": address}).status_code

    assert [status("10.1.2.3"), status("10.2.2.3")] == [200, 403]


@pytest.fixture
async def watched():
    """Starts a small server with metrics for those whom the settings name; strangers call it."""
    async with AsyncExitStack() as stack:

        async def start(who: str, token: str = "") -> TestClient:
            app = web.Application(middlewares=[errors])
            Monitoring(Metrics(), who=who, token=token, near=lambda _request: False).set_up(app)
            return await stack.enter_async_context(TestClient(TestServer(app)))

        yield start


async def test_with_a_token_only_the_token_opens_the_metrics(watched):
    client = await watched("token", "watchers")

    async def status(**headers: str) -> int:
        return (await client.get("/metrics", headers=headers)).status

    assert await status() == 403
    assert await status(Authorization="Bearer han1234") == 403
    assert await status(Authorization="Bearer watchers") == 200


async def test_an_authorization_that_is_no_text_is_refused(watched):
    client = await watched("token", "watchers")
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET /metrics HTTP/1.0\r\nAuthorization: Bearer \xff\r\n\r\n")

    assert b" 403 " in await reader.readline()
    writer.close()


async def test_no_token_opens_metrics_that_are_for_those_near(watched):
    client = await watched("local", "watchers")

    assert (await client.get("/metrics", headers={"Authorization": "Bearer watchers"})).status == 403


async def test_metrics_that_are_off_are_not_there(watched):
    client = await watched("off")

    assert (await client.get("/metrics")).status == 404


async def test_a_token_that_was_not_said_is_refused(watched):
    with pytest.raises(InvalidValue, match="metrics_token"):
        await watched("token")


async def test_the_token_is_shown_to_nobody(tmp_path):
    migrate(tmp_path)
    database = Database(tmp_path / FILE)
    book = SettingsBook(database, tmp_path, InForce(load(tmp_path, environment={})))
    shown = await book.set("metrics_token", "watchers")
    await database.close()

    assert (shown.value, shown.later) == ("", "***")


# In one process.


async def test_two_servers_of_a_process_count_apart():
    first, second = Metrics(), Metrics()
    first.job_ended(EndedJob(mode="video", state="completed", code="", waiting=0.1, making=2.0, storing=0.1))

    counts = [
        Scrape((await metrics.page(""))[0].decode()).value(
            "sora2api_jobs_ended_total", mode="video", state="completed", code=""
        )
        for metrics in (first, second)
    ]

    assert counts == [1, None]


async def test_proxies_are_told_apart_by_name_and_only_some():
    metrics = Metrics()
    names = [None, "http://10.0.0.1:3128", *(f"proxy-{number}" for number in range(60))]
    for name in names:
        metrics.called(_call(name))

    scrape = Scrape((await metrics.page(""))[0].decode())

    proxies = scrape.values("sora2api_egress_calls", "proxy")
    assert {"direct", "own", "other", "proxy-0"} <= proxies
    assert len(proxies) == 53
    assert not [proxy for proxy in proxies if "10.0.0.1" in proxy]


def _call(proxy: str | None) -> Call:
    return Call(
        at=0.0,
        account_id="acct_1",
        job_id=None,
        request_id=None,
        proxy=proxy,
        method="GET",
        url="http://engine/",
        status=200,
        code=None,
        took=0.1,
        bytes_sent=0,
        bytes_received=0,
    )
