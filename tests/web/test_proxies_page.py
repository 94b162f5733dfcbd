"""Proxies in the panel and its API: who may do what with them, and that no password is shown."""

import asyncio
import re

import pytest
from served import Served

PASSWORD = "pa55word"
NOWHERE = f"http://me:{PASSWORD}@127.0.0.1:9"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("proxies")) as served:
        asyncio.run(served.prepare())
        for name in ("north", "south"):
            assert served.api("operator").post("/proxies", json={"name": name, "url": NOWHERE}).status_code == 200
        yield served


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/proxies", {"name": "x", "url": NOWHERE}),
        ("PATCH", "/proxies/north", {"name": "x"}),
        ("POST", "/proxies/north/test", {}),
        ("POST", "/proxies/north/disable", {}),
        ("POST", "/proxies/north/enable", {}),
        ("POST", "/proxies/spread", {"proxy": "north"}),
        ("DELETE", "/proxies/north", {}),
    ],
)
def test_a_viewer_changes_nothing(served, method, path, body):
    assert served.api("viewer").request(method, path, json=body).status_code == 403


def test_an_address_is_shown_without_its_password(served):
    listed = served.api("viewer").get("/proxies")
    pages = served.page.get("/proxies").text + served.page.get("/proxies?open=north").text

    assert listed.json()["proxies"][0]["url"] == "http://127.0.0.1:9"
    assert "http://127.0.0.1:9" in pages
    assert PASSWORD not in listed.text + pages


def test_a_proxy_that_lets_nothing_through_says_so_and_is_remembered_for_it(served):
    for _ in range(3):
        tested = served.api("operator").post("/proxies/south/test").json()
    south = served.api().get("/proxies/south").json()

    assert tested["latency"] is None
    assert tested["trouble"]
    assert (south["down"], south["probes"][-1]["took"]) == ("proxy_fault", None)
    assert south["down_at"] is not None


def test_accounts_are_given_a_proxy_and_hold_it_on_the_list(served):
    given = {"driver": "openai", "base_url": "http://127.0.0.1:9/v1", "enabled": False}
    ids = [served.api().post("/accounts", json=given | {"name": f"box {n}"}).json()["account"]["id"] for n in range(4)]
    operator = served.api("operator")

    operator.post("/accounts/proxy", json={"ids": ids[:1], "proxy": "north"})
    held = operator.request("DELETE", "/proxies/north")
    spread = operator.post("/proxies/spread", json={"proxy": "spread", "of": "none"}).json()
    on = {each["name"]: each["accounts"] for each in operator.get("/proxies").json()["proxies"]}
    operator.post("/proxies/spread", json={"proxy": None})

    assert (held.status_code, "box 0" in held.json()["error"]["message"]) == (400, True)
    assert spread["changed"] == 3
    assert sum(on.values()) == 4
    assert min(on.values()) > 0
    assert all(each["accounts"] == 0 for each in operator.get("/proxies").json()["proxies"])


def test_a_word_that_is_no_proxy_is_refused(served):
    refused = served.api().post("/proxies/spread", json={"proxy": "nowhere"})

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "proxy")


def test_a_new_address_is_taken_and_an_empty_one_leaves_it(served):
    operator = served.api("operator")
    proxy_id = operator.post("/proxies", json={"name": "moving", "url": NOWHERE}).json()["id"]

    same = operator.patch(f"/proxies/{proxy_id}", json={"name": "moved", "url": ""}).json()
    other = operator.patch(f"/proxies/{proxy_id}", json={"url": f"socks5h://a:{PASSWORD}@10.0.0.7"}).json()

    assert (same["name"], same["url"]) == ("moved", "http://127.0.0.1:9")
    assert other["url"] == "socks5h://10.0.0.7:1080"


def test_a_form_disables_a_proxy_and_takes_that_back(served):
    north = served.api().get("/proxies/north").json()["id"]

    page = served.page.do("proxies.disable", id=north, next="/admin/proxies")

    assert not served.api().get("/proxies/north").json()["enabled"]
    assert re.search(r'class="toast".*?/admin/do/proxies\.enable', page.text, re.DOTALL)
    served.page.do("proxies.enable", id=north)
    assert served.api().get("/proxies/north").json()["enabled"]
