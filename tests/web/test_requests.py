"""The log of requests in the panel and its API: found again, read whole, exported, and cut by age."""

import csv
import json
import time
from io import StringIO

import httpx2
import pytest

MARKUP = '<img src=x onerror="alert(1)">'
PATIENCE = 20.0


def call(served, prompt, **fields):
    """Ask for a small video; the id of the request."""
    body = {"model": "sora-video", "size": "160x96", "seconds": 1, "messages": [{"role": "user", "content": prompt}]}
    reply = httpx2.post(
        f"{served.url}/v1/chat/completions",
        json=body | fields,
        headers={"Authorization": "Bearer han1234"},
        timeout=60,
        trust_env=False,
    )
    return reply.headers["x-request-id"]


def found(served, request_id, *, stored=False):
    """The request as the API tells it, once it is written."""
    end = time.monotonic() + PATIENCE
    while True:
        told = served.api("viewer").get(f"/requests/{request_id}")
        if told.status_code == 200 and (not stored or told.json()["entry"]["stored"] is not None):
            return told.json()
        assert time.monotonic() < end, told.text
        time.sleep(0.1)


@pytest.fixture(scope="module")
def made(served):
    """A request that made a video, with markup in all that its client could choose."""
    request_id = call(served, f"a kite {MARKUP}")
    found(served, request_id, stored=True)
    return request_id


@pytest.fixture(scope="module")
def refused(served):
    request_id = call(served, "a kite too", model="no-such-model")
    found(served, request_id)
    return request_id


def ids(served, **asked):
    listed = served.api("viewer").get("/requests", params=asked)
    assert listed.status_code == 200, listed.text
    return [entry["id"] for entry in listed.json()["requests"]]


def test_a_request_is_found_by_what_is_known_of_it(served, made, refused):
    assert made in ids(served, text="KITE <img")
    assert ids(served, code="model_not_found") == [refused]
    assert ids(served, status=404, path="/v1/chat") == [refused]
    assert made in ids(served, mode="video", model="sora-video", account="sandbox", since="1h")
    assert ids(served, key="nobody") == []
    assert made not in ids(served, until="1h")


def test_pages_follow_one_another_without_a_gap(served, made, refused):
    first = served.api("viewer").get("/requests", params={"limit": 1}).json()
    second = served.api("viewer").get("/requests", params={"limit": 1, "after": first["next"]}).json()

    assert [first["requests"][0]["id"], second["requests"][0]["id"]] == ids(served, limit=2)


@pytest.mark.parametrize(
    ("asked", "param"), [({"since": "lately"}, "since"), ({"after": "x"}, "after"), ({"status": "ok"}, "status")]
)
def test_a_filter_that_means_nothing_is_named(served, asked, param):
    answer = served.api().get("/requests", params=asked)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_request_has_its_bodies_and_the_calls_made_for_it(served, made):
    told = found(served, made)

    assert told["request"]["messages"][0]["content"] == f"a kite {MARKUP}"
    assert told["reply"] is not None
    assert [each["account"] for each in told["calls"] if each["method"] == "POST"] == ["sandbox"]


def test_what_clients_wrote_is_shown_as_text(served, made):
    for page in (served.page.get("/requests"), served.page.get(f"/requests/{made}")):
        assert page.status_code == 200
        assert "<img src=x" not in page.text
        assert "a kite &lt;img" in page.text


def test_an_id_that_is_searched_for_leads_to_its_page(served, refused):
    assert served.page.get(f"/requests?text={refused}").url.path == f"/admin/requests/{refused}"


def test_a_page_of_a_request_shows_its_stages_calls_and_bodies(served, made):
    shown = served.page.get(f"/requests/{made}").text

    for words in ("Waiting for an account", "Making", "/v1/videos", "sandbox", "&#34;messages&#34;: ["):
        assert words in shown


def test_the_page_filters_and_links_an_export_of_the_same(served, made, refused):
    shown = served.page.get("/requests?code=model_not_found").text

    assert f"/admin/requests/{refused}" in shown
    assert f"/admin/requests/{made}" not in shown
    assert "requests/export?code=model_not_found&amp;format=csv" in shown


def test_an_export_has_all_that_the_filters_leave(served, made, refused):
    asked = {"code": "model_not_found"}
    lines = served.page.client.get("/admin/api/v1/requests/export", params=asked | {"format": "jsonl"})
    table = served.api("viewer").get("/requests/export", params=asked | {"format": "csv"})

    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == [refused]
    assert [row["id"] for row in csv.DictReader(StringIO(table.text))] == [refused]
    assert table.headers["content-disposition"] == 'attachment; filename="requests.csv"'


def test_only_an_administrator_deletes_by_age(served, made):
    for role in ("viewer", "operator"):
        assert served.api(role).request("DELETE", "/requests", json={"before": "0m"}).status_code == 403
    assert served.api().request("DELETE", "/requests", json={"before": "1d"}).json() == {"rows": 0}
    assert served.api().get(f"/requests/{made}").status_code == 200

    said = served.page.do("requests.remove", before="0m")

    assert "rows of the log are removed" in said.text
    assert served.api().get(f"/requests/{made}").status_code == 404
