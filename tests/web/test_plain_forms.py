"""The panel's forms as a browser sends them by itself, without a script: nothing is lost, nothing is done unasked."""

import html
import re
from typing import Any

import pytest
from served import Served, token

NOBODY = "http://127.0.0.1:9/v1"


def listed(served: Served, name: str) -> str:
    """A new proxy; its id."""
    added = served.api().post("/proxies", json={"name": name, "url": "http://proxy.example:3128"})
    assert added.status_code == 200, added.text
    return next(each["id"] for each in served.api().get("/proxies").json()["proxies"] if each["name"] == name)


def names(served: Served) -> list[str]:
    return [each["name"] for each in served.api().get("/proxies").json()["proxies"]]


def fields(page: Any) -> dict[str, str]:
    """What the page's own form would send as it stands, but for its button."""
    main = page.text.partition("<main")[2]
    inputs = re.findall(r'<input[^>]* name="([^"]+)"[^>]*?(?: value="([^"]*)")', main)
    return {name: html.unescape(value) for name, value in inputs}


def test_an_account_that_is_tested_leaves_the_form_as_it_was_typed(served: Served):
    page = served.page
    form = page.get("/accounts/add?kind=openai/openai")
    typed = {"kind": "openai/openai", "driver": "openai", "base_url": NOBODY, "token": "sk-typed", "name": "typed"}

    tested = page.post("/accounts/try", csrf=token(form), **typed, weight="2.5", groups="a, b", remake_lost="true")

    assert "does not answer" in tested.text
    assert fields(tested).items() >= typed.items()
    assert fields(tested)["weight"] == "2.5"
    assert fields(tested)["groups"] == "a, b"
    assert "typed" not in [each["name"] for each in served.api().get("/accounts").json()["accounts"]]


def test_what_cannot_be_tested_leaves_the_form_as_it_was_typed(served: Served):
    page = served.page
    form = page.get("/accounts/add?kind=openai/openai")

    refused = page.post("/accounts/try", csrf=token(form), driver="openai", base_url="nowhere", weight="heavy")

    assert fields(refused)["base_url"] == "nowhere"
    assert fields(refused)["weight"] == "heavy"
    assert 'role="alert"' in refused.text


def test_what_cannot_be_undone_asks_for_the_name_on_a_page(served: Served):
    proxy = listed(served, "plainly doomed")
    page = served.page

    asked = page.do("proxies.remove", id=proxy, confirm="plainly doomed", next="/admin/proxies")
    wrong = page.post("/do/proxies.remove", **fields(asked) | {"confirmed": "another"})
    there = names(served)
    done = page.post("/do/proxies.remove", **fields(asked) | {"confirmed": "plainly doomed"})

    assert "Type plainly doomed to confirm" in asked.text
    assert "That is another name." in wrong.text
    assert "plainly doomed" in there
    assert "plainly doomed" not in names(served)
    assert done.url.path == "/admin/proxies"


def test_a_question_is_asked_on_a_page(served: Served):
    proxy = listed(served, "in question")
    page = served.page

    asked = page.do("proxies.remove", id=proxy, ask="Sure of it?", next="/admin/proxies")
    there = names(served)
    page.post("/do/proxies.remove", **fields(asked))

    assert "Sure of it?" in asked.text
    assert "in question" in there
    assert "in question" not in names(served)


@pytest.mark.parametrize("url", ["ftp://proxy.example:3128", "no address"])
def test_what_is_refused_comes_back_with_what_was_typed(served: Served, url: str):
    refused = served.page.do("proxies.add", name="refused", url=url, next="/admin/proxies")
    mended = served.page.post(
        "/do/proxies.add", **fields(refused) | {"name": f"mended {len(url)}", "url": "http://p.example:1"}
    )

    assert refused.status_code == 400
    assert fields(refused).items() >= {"name": "refused", "url": url}.items()
    assert f"mended {len(url)}" in names(served)
    assert mended.url.path == "/admin/proxies"
