"""Accounts in the panel and its API: who may do what with them, that no secret is shown, and files of many."""

import asyncio
import re
import sqlite3
import time

import httpx2
import pytest
from running import Running
from served import Served, token

from sora2api.store.database import FILE

SECRET = "sk-sandbox"
NOBODY = "http://127.0.0.1:9/v1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with Running("sandbox", tmp_path_factory.mktemp("engine"), "--delay", "0", "--key", SECRET) as engine:
        yield engine


@pytest.fixture(scope="module")
def first(tmp_path_factory, engine):
    """A server of this module's own, and what it said when its first account was added."""
    with Served(tmp_path_factory.mktemp("accounts")) as served:
        asyncio.run(served.prepare())
        yield served, add(served, engine, name="the first")


@pytest.fixture(scope="module")
def served(first):
    return first[0]


def add(served, engine, role="operator", **fields):
    given = {"driver": "openai", "base_url": f"{engine.url}/v1", "token": SECRET, "settings": {"dialect": "sandbox"}}
    added = served.api(role).post("/accounts", json=given | fields)
    assert added.status_code == 200, added.text
    return added.json()


def test_the_first_account_ends_the_defaults_and_tells_the_new_key_once(first, engine):
    served, added = first
    key = added["issued"]["key"]
    models = httpx2.get(f"{served.url}/v1/models", headers={"Authorization": f"Bearer {key}"}, trust_env=False)

    assert models.status_code == 200
    assert added["issued"]["password"] is None  # the administrator had set one
    assert added["found"]["ok"]
    assert add(served, engine, name="the second")["issued"] is None
    assert key not in served.page.get("/accounts").text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/accounts", {"driver": "openai", "base_url": NOBODY}),
        ("POST", "/accounts/try", {"driver": "openai", "base_url": NOBODY}),
        ("PATCH", "/accounts/the first", {"priority": 9}),
        ("POST", "/accounts/the first/disable", {}),
        ("POST", "/accounts/the first/enable", {}),
        ("POST", "/accounts/the first/test", {}),
        ("POST", "/accounts/the first/reveal", {}),
        ("POST", "/accounts/the first/restore", {}),
        ("DELETE", "/accounts/the first", {}),
        *(("POST", f"/accounts/{many}", {"ids": ["the first"]}) for many in ("enable", "disable", "test", "remove")),
        ("POST", "/accounts/restore", {"ids": ["the first"]}),
        ("POST", "/accounts/proxy", {"ids": ["the first"]}),
        ("POST", "/accounts/import", {"text": "x"}),
        ("POST", "/accounts/import/preview", {"text": "x"}),
        ("POST", "/accounts/export", {}),
    ],
)
def test_a_viewer_changes_nothing(served, method, path, body):
    assert served.api("viewer").request(method, path, json=body).status_code == 403


def test_a_viewer_sees_how_each_account_is_and_no_secret(served):
    listed = served.api("viewer").get("/accounts").json()
    one = served.api("viewer").get("/accounts/the first")

    assert listed["accounts"][0]["condition"] == "ready"
    assert one.json()["token"] is True
    assert "sandbox-video" in one.json()["account"]["models"]
    assert SECRET not in one.text


def test_an_account_can_be_disabled_enabled_removed_and_taken_back(served, engine):
    account = add(served, engine, name="to and fro")["account"]
    operator = served.api("operator")

    assert operator.post(f"/accounts/{account['id']}/disable").json()["condition"] == "disabled"
    assert operator.post(f"/accounts/{account['id']}/enable").json()["enabled"]
    assert operator.post(f"/accounts/{account['id']}/test").json()["found"][0]["ok"]
    operator.request("DELETE", f"/accounts/{account['id']}")
    assert operator.get("/accounts/to and fro").status_code == 404
    operator.post(f"/accounts/{account['id']}/restore")
    assert operator.get("/accounts/to and fro").status_code == 200


def test_a_removed_account_whose_name_was_taken_cannot_come_back(served, engine):
    operator = served.api("operator")
    gone = add(served, engine, name="wanted")["account"]["id"]
    operator.request("DELETE", f"/accounts/{gone}")
    add(served, engine, name="wanted")

    refused = operator.post(f"/accounts/{gone}/restore")

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "name")


def test_a_secret_stays_until_it_is_replaced_or_taken_away(served, engine):
    account_id = add(served, engine, name="secretive", refresh_token="rt-1", refresh_url=f"{engine.url}/t")["account"][
        "id"
    ]
    operator = served.api("operator")

    operator.patch(f"/accounts/{account_id}", json={"token": "", "refresh_token": "", "priority": 3})
    kept = operator.get(f"/accounts/{account_id}").json()
    assert (kept["token"], kept["refresh_token"], kept["account"]["priority"]) == (True, True, 3)
    assert operator.post(f"/accounts/{account_id}/test").json()["found"][0]["ok"]

    operator.patch(f"/accounts/{account_id}", json={"token": "sk-wrong", "clear_refresh_token": True})
    assert not operator.get(f"/accounts/{account_id}").json()["refresh_token"]
    assert operator.post(f"/accounts/{account_id}/test").json()["found"][0]["code"] == "account_rejected"

    operator.patch(f"/accounts/{account_id}", json={"clear_token": True})
    assert not operator.get(f"/accounts/{account_id}").json()["token"]


def test_a_password_in_an_address_is_not_shown_and_survives_an_edit(served, engine):
    secret = engine.url.replace("://", "://me:pa55word@")
    account_id = add(served, engine, name="by password", base_url=f"{secret}/v1", token=None)["account"]["id"]
    shown = served.api().get(f"/accounts/{account_id}")
    page = served.page.get(f"/accounts/{account_id}/edit")

    served.api().patch(f"/accounts/{account_id}", json={"base_url": shown.json()["account"]["base_url"], "weight": 2.0})
    exported = served.api().post("/accounts/export", json={"secrets": True, "passphrase": "p"}).json()["text"]
    brought = served.api().post("/accounts/import/preview", json={"text": exported, "passphrase": "p", "update": True})

    assert "pa55word" not in shown.text + page.text
    row = next(row for row in brought.json()["rows"] if row["name"] == "by password")
    assert (row["result"], row["why"]) == ("skipped", "Nothing differs.")  # the password is in the export still


def test_trying_an_account_tells_what_is_there_and_saves_nothing(served, engine):
    operator, before = served.api("operator"), served.api().get("/accounts").json()["total"]
    draft = {"driver": "openai", "base_url": f"{engine.url}/v1", "settings": {"dialect": "sandbox"}}

    good = operator.post("/accounts/try", json=draft | {"token": SECRET}).json()["found"][0]
    bad = operator.post("/accounts/try", json=draft | {"token": "sk-wrong"}).json()["found"][0]
    nobody = operator.post("/accounts/try", json=draft | {"base_url": NOBODY}).json()["found"][0]

    assert good["models"] == ["sandbox-image", "sandbox-video"]
    assert good["latency"] > 0
    assert good["route"] is None
    assert (bad["ok"], bad["code"], nobody["code"]) == (False, "account_rejected", "engine_unreachable")
    assert served.api().get("/accounts").json()["total"] == before


def test_trying_a_change_takes_the_secret_that_is_kept(served, engine):
    account_id = add(served, engine, name="kept")["account"]["id"]

    same = served.api().post("/accounts/try", json={"id": account_id, "token": "", "video_slots": 7}).json()

    assert same["found"][0]["ok"]
    assert served.api().get(f"/accounts/{account_id}").json()["account"]["video"]["total"] == 2


def test_the_form_is_made_from_the_drivers_settings_and_its_lines_are_understood(served, engine):
    page = served.page.get("/accounts/add?kind=openai/sandbox")
    names = re.findall(r'name="settings\.(\w+)"', page.text)
    fields = {"settings.dialect": "sandbox", "settings.models": "sora-2 = sandbox-video\nart = sandbox-image"}

    added = served.page.do(
        "accounts.add",
        driver="openai",
        base_url=f"{engine.url}/v1",
        token=SECRET,
        name="by form",
        groups="gold, eu",
        daily_videos="",
        image_slots="3",
        **fields,
        **{"settings.image_timeout": ""},
    )
    whole = served.api().get("/accounts/by form").json()

    assert {"dialect", "models", "image_timeout", "polls_at_once"} <= set(names)
    assert "sandbox-video" in added.text
    assert whole["settings"] == {"dialect": "sandbox", "models": {"sora-2": "sandbox-video", "art": "sandbox-image"}}
    assert (whole["account"]["groups"], whole["account"]["image"]["total"]) == (["gold", "eu"], 3)


def test_a_setting_that_the_driver_does_not_take_is_refused(served, engine):
    given = {"driver": "openai", "base_url": f"{engine.url}/v1", "settings": {"polls_at_once": 0}}

    refused = served.api().post("/accounts", json=given)

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "settings.polls_at_once")


def test_those_that_were_chosen_are_disabled_at_once_and_back_by_undo(served, engine):
    ids = [add(served, engine, name=f"chosen {number}")["account"]["id"] for number in (1, 2)]

    page = served.page.do("accounts.disable_many", ids=ids, next="/admin/accounts")
    off = [served.api().get(f"/accounts/{each}").json()["account"]["enabled"] for each in ids]
    undo = re.search(r'action="/admin/do/(accounts\.enable_many)".*?name="ids" value="([^"]+)"', page.text, re.DOTALL)
    assert undo is not None
    served.page.do(undo[1], ids=undo[2])

    assert off == [False, False]
    assert all(served.api().get(f"/accounts/{each}").json()["account"]["enabled"] for each in ids)


def test_no_more_than_a_hundred_are_changed_at_once(served):
    refused = served.api().post("/accounts/disable", json={"ids": [f"x{number}" for number in range(101)]})

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "ids")


def test_a_file_is_previewed_and_imported_by_its_draft(served):
    lines = "".join(f"row {number:02},openai,{NOBODY},sk-{number},false\n" for number in range(30))
    file = f"name,driver,base_url,token,enabled\n{lines}wrong,nothing,{NOBODY},sk-x,false\n"
    page = served.page
    before = served.api().get("/accounts").json()["total"]

    preview = page.client.post(
        "/admin/do/accounts.preview",
        data={"csrf": token(page.get("/accounts/import")), "format": "auto"},
        files={"file": ("rows.csv", file)},
        headers={"Origin": page.url},
    )
    draft = re.search(r'name="draft" value="([^"]+)"', preview.text)
    assert draft is not None, preview.text[-2000:]
    untouched = served.api().get("/accounts").json()["total"]
    report = page.do("accounts.import", draft=draft[1])
    again = page.do("accounts.import", draft=draft[1])

    assert untouched == before
    assert "There is no driver" in report.text
    assert "sk-3" not in preview.text + report.text
    assert served.api().get("/accounts").json()["total"] == before + 30
    assert again.status_code == 404


def test_a_draft_is_for_who_sent_it(served):
    sent = {"text": "sk-a", "driver": "openai", "base_url": NOBODY}
    draft = served.api("operator").post("/accounts/import/preview", json=sent).json()["draft"]

    assert served.api("administrator").post("/accounts/import", json={"draft": draft}).status_code == 404


def test_files_are_taken_where_one_is_asked_for_and_nowhere_else(served):
    page = served.page
    sent = {"data": {"csrf": token(page.get("/"))}, "files": {"file": ("x", "x")}, "headers": {"Origin": page.url}}

    assert page.client.post("/admin/do/accounts.add", **sent).status_code == 415
    assert page.client.post("/admin/do/accounts.preview", **sent).status_code == 400  # one token, and no driver


def test_only_an_administrator_exports_and_secrets_only_sealed(served):
    admin = served.api("administrator")

    assert served.api("operator").post("/accounts/export", json={}).status_code == 403
    assert SECRET not in admin.post("/accounts/export", json={"format": "csv"}).text
    assert admin.post("/accounts/export", json={"secrets": True}).status_code == 400
    sealed = admin.post("/accounts/export", json={"secrets": True, "passphrase": "words"}).json()
    assert SECRET not in sealed["text"]
    wrong = admin.post("/accounts/import/preview", json={"text": sealed["text"], "passphrase": "other"})
    assert wrong.json()["error"]["param"] == "passphrase"


def test_secrets_are_shown_to_an_administrator_alone_who_has_just_given_the_password(served):
    account_id = served.api().get("/accounts/the first").json()["account"]["id"]
    shown = served.api("administrator").post(f"/accounts/{account_id}/reveal")
    page = served.page.do("accounts.reveal", id=account_id)

    assert shown.json()["token"] == SECRET
    assert SECRET in page.text  # logged in a moment ago
    assert served.api("operator").post(f"/accounts/{account_id}/reveal").status_code == 403
    with sqlite3.connect(served.folder / FILE) as database:
        database.execute("UPDATE sessions SET proved_at = proved_at - 360")
    asked = served.page.do("accounts.reveal", id=account_id)
    sealed = served.page.post("/accounts/export", csrf=token(asked), secrets="true", passphrase="words")
    assert {asked.url.path, sealed.url.path} == {"/admin/prove"}
    assert SECRET not in asked.text


def test_an_export_is_a_download(served):
    page = served.page

    file = page.post("/accounts/export", csrf=token(page.get("/accounts/import")), format="csv")

    assert file.headers["content-disposition"] == 'attachment; filename="accounts.csv"'
    assert file.text.startswith("driver,base_url,name")


def test_accounts_are_found_filtered_sorted_and_paged(served, engine):
    for number in range(4):
        add(served, engine, name=f"paged {number}", groups=["paging"], priority=number)
    api = served.api("viewer")

    def names(**asked):
        return [each["name"] for each in api.get("/accounts", params={"group": "paging"} | asked).json()["accounts"]]

    page = api.get("/accounts", params={"group": "paging", "limit": 3}).json()
    assert (page["total"], len(page["accounts"]), page["older"]) == (4, 3, 3)
    assert names(limit=3, after=3) == ["paged 3"]
    assert names(limit=3, before=3) == ["paged 0", "paged 1", "paged 2"]
    assert names(sort="priority") == ["paged 3", "paged 2", "paged 1", "paged 0"]
    assert names(sort="-name")[0] == "paged 3"
    assert names(search="PAGED 2") == ["paged 2"]
    assert names(state="disabled") == []


def test_what_an_account_did_is_counted(served, engine, first):
    done = add(served, engine, name="worked", priority=50)["account"]["id"]
    made = httpx2.post(
        f"{served.url}/v1/images/generations",
        json={"model": "gpt-image-1", "prompt": "A boat"},
        headers={"Authorization": f"Bearer {first[1]['issued']['key']}"},
        timeout=60,
        trust_env=False,
    )

    assert made.status_code == 200, made.text
    account = served.api().get(f"/accounts/{done}").json()["account"]
    assert (account["done"], account["failed"]) == (1, 0)
    assert account["used_at"] == pytest.approx(time.time(), abs=60)
    listed = served.api().get("/accounts", params={"sort": "used"}).json()["accounts"]
    assert listed[0]["name"] == "worked"


@pytest.mark.parametrize("path", ["/accounts", "/accounts/the first", "/accounts/the first/edit", "/accounts/import"])
def test_no_page_shows_a_secret(served, path):
    page = served.page.get(path)

    assert page.status_code == 200
    assert SECRET not in page.text
