"""The audit: who changed what, when, from where, and how it was before."""

import time

import pytest

from sora2api.web.views.audit import differences


def entries(served, **asked):
    found = served.api().get("/audit", params=asked)
    assert found.status_code == 200, found.text
    return found.json()["entries"]


def make(served, name, **fields):
    return served.api("operator").post("/keys", json={"name": name} | fields).json()["key"]["id"]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_the_audit_is_the_administrators(served, role):
    assert served.api(role).get("/audit").status_code == 403


def test_a_change_is_listed_with_who_where_before_and_after(served):
    key_id = make(served, "looked after", daily_jobs=3)
    served.api("operator").patch(f"/keys/{key_id}", json={"daily_jobs": 4})
    (changed, *_) = entries(served, subject="looked after", operation="keys.change")

    assert (changed["user"], changed["address"], changed["outcome"]) == ("key a operator", "127.0.0.1", "done")
    assert changed["created_at"] == pytest.approx(time.time(), abs=60)
    assert [(each.field, each.before, each.after) for each in differences(changed["before"], changed["after"])] == [
        ("limits.daily_jobs", "3", "4")
    ]


def test_what_failed_is_listed_with_why(served):
    served.api().post("/keys", json={"name": ""})

    assert entries(served, operation="keys.create")[0]["outcome"] == "InvalidValue"


def test_entries_are_found_by_user_operation_and_time(served):
    make(served, "found")
    served.page.do("keys.create", name="by the page")

    assert {each["user"] for each in entries(served, user="admin")} == {"admin"}
    assert {each["operation"].partition(".")[0] for each in entries(served, operation="keys")} == {"keys"}
    assert entries(served, until="2020-01-01") == []
    assert entries(served, since="2020-01-01", subject="found")
    assert served.api().get("/audit", params={"since": "soon"}).json()["error"]["param"] == "since"


def test_pages_hold_each_entry_once(served):
    for number in range(5):
        make(served, f"page {number}")
    whole = [each["id"] for each in entries(served, limit=200)]
    paged, after = [], {}
    while True:
        page = served.api().get("/audit", params={"limit": 3} | after).json()
        paged += [each["id"] for each in page["entries"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}

    assert paged == whole


def test_the_page_shows_the_difference_and_escapes_names(served):
    key_id = make(served, "<b>bold</b>")
    served.api().patch(f"/keys/{key_id}", json={"name": "<i>thin</i>"})
    page = served.page.get("/audit?operation=keys.change").text

    assert "<del>&lt;b&gt;bold&lt;/b&gt;</del>" in page
    assert "<i>thin</i>" not in page
