"""Settings in the panel and its API: what is in force, where it comes from, and what a change does."""

import signal
import sqlite3
from contextlib import closing

import httpx2
import pytest
from commands import until
from served import Served

from sora2api.settings import names
from sora2api.store.database import FILE
from sora2api.web.views.settings import GROUPS

URL = "http://someone:s3cret@127.0.0.1:9"


def setting(served, name):
    return served.api().get(f"/settings/{name}").json()


def ask_for_a_video(served):
    body = {"model": "sora-2", "prompt": "a boat"}
    key = {"Authorization": "Bearer han1234"}
    return httpx2.post(f"{served.url}/v1/videos", json=body, headers=key, trust_env=False)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_settings_are_the_administrators(served, role):
    api = served.api(role)

    assert api.get("/settings").status_code == 403
    assert api.patch("/settings/tries", json={"value": 9}).status_code == 403
    assert api.delete("/settings/tries").status_code == 403
    assert setting(served, "tries")["later"] == 6


def test_each_setting_is_on_the_page_once(served):
    shown = [name for _group, _heading, members in GROUPS for name in members]
    page = served.page.get("/settings").text

    assert sorted(shown) == sorted(names())
    assert all(f'id="setting-{name}"' in page for name in shown)


def test_a_change_waits_for_a_restart_and_says_so(served):
    changed = served.api().patch("/settings/tries", json={"value": 9}).json()
    page = served.page.get("/settings").text
    reset = served.api().delete("/settings/tries").json()

    assert (changed["value"], changed["later"], changed["waits"], changed["chosen"]) == (6, 9, True, True)
    assert "after a restart" in page
    assert (reset["later"], reset["waits"], reset["chosen"]) == (6, False, False)


def test_a_change_that_a_reload_takes_up_says_so_and_is_taken_up(served):
    changed = served.api().patch("/settings/wait_limit", json={"value": 77}).json()
    page = served.page.get("/settings").text
    served.signal(signal.SIGHUP)
    held = until(lambda: setting(served, "wait_limit")["value"] == 77)
    served.api().delete("/settings/wait_limit")
    served.signal(signal.SIGHUP)

    assert (changed["later"], changed["waits"], changed["on_reload"]) == (77, True, True)
    assert "after a reload" in page
    assert held
    assert until(lambda: not setting(served, "wait_limit")["waits"])


def test_a_setting_that_holds_at_once_does(served):
    served.api().patch("/settings/paused", json={"value": True})
    for _ in range(200):
        refused = ask_for_a_video(served)
        if refused.status_code != 200:
            break
    served.api().delete("/settings/paused")
    for _ in range(200):
        taken = ask_for_a_video(served)
        if taken.status_code == 200:
            break

    assert refused.status_code == 503
    assert taken.status_code == 200


def test_a_pinned_setting_can_only_be_read(served):
    port = setting(served, "port")
    refused = served.api().patch("/settings/port", json={"value": 80})

    assert (port["source"], port["pinned"]) == ("command line", True)
    assert refused.status_code == 400
    assert "command line" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "value"), [("tries", 0), ("tries", "x"), ("strategy", "best"), ("trusted_proxies", "me")]
)
def test_a_wrong_value_is_refused_at_its_field(served, name, value):
    refused = served.api().patch(f"/settings/{name}", json={"value": value})

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "value"


def test_lists_and_switches_can_be_set_by_a_form(served):
    served.page.do("settings.set", name="cors_origins", value="https://a.example, https://b.example")
    served.page.do("settings.set", name="chat_chores", value="false")

    assert setting(served, "cors_origins")["later"] == ["https://a.example", "https://b.example"]
    assert setting(served, "chat_chores")["later"] is False
    for name in ("cors_origins", "chat_chores"):
        served.api().delete(f"/settings/{name}")


def test_a_password_in_a_url_is_never_shown_and_stays_when_it_is_sent_back(served):
    served.api().patch("/settings/default_proxy", json={"value": URL})
    shown = setting(served, "default_proxy")["later"]
    kept = served.api().patch("/settings/default_proxy", json={"value": shown})
    bent = served.api().patch("/settings/default_proxy", json={"value": shown.replace("9", "8")})
    page, audit = served.page.get("/settings").text, served.api().get("/audit").text
    served.api().delete("/settings/default_proxy")

    assert shown == "http://someone:***@127.0.0.1:9"
    assert (kept.status_code, bent.status_code) == (200, 400)
    assert "s3cret" not in page + audit


def test_a_choice_holds_from_the_next_start(tmp_path):
    with Served(tmp_path) as first:
        first.page.settle_in()
        first.page.do("settings.set", name="tries", value="9")
    with Served(tmp_path, "--queue-limit", "7") as second:
        second.page.log_in_again()
        page = second.page.get("/settings").text

    assert "<strong>9</strong>" in page
    assert "<strong>7</strong>" in page
    assert "chosen here" in page


def test_a_setting_with_a_password_lies_sealed_and_is_never_shown(served):
    url = "http://user:open-sesame@proxy.example:3128"

    said = served.api().patch("/settings/default_proxy", json={"value": url})
    told = [served.api().get(path).text for path in ("/settings", "/settings/default_proxy", "/audit")]
    page = served.page.get("/settings").text
    with closing(sqlite3.connect(served.folder / FILE)) as database:
        (row,) = database.execute("SELECT * FROM settings WHERE name = 'default_proxy'").fetchall()
    undone = served.api().delete("/settings/default_proxy")

    assert said.json()["later"] == "http://user:***@proxy.example:3128"
    assert "open-sesame" not in "".join((said.text, *told, page))
    assert b"open-sesame" not in b"".join(each if isinstance(each, bytes) else each.encode() for each in row)
    assert undone.json()["later"] == ""
