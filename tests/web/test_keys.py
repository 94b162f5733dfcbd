"""API keys in the panel and its API: who may do what with them, and that a secret is shown once."""

import time

import httpx2
import pytest


def make(served, **fields):
    made = served.api().post("/keys", json={"name": "a shop"} | fields)
    assert made.status_code == 200, made.text
    return made.json()


def test_a_key_that_is_made_here_works_and_its_secret_is_told_once(served):
    made = make(served, name="first of all")
    models = httpx2.get(
        f"{served.url}/v1/models", headers={"Authorization": f"Bearer {made['secret']}"}, trust_env=False
    )

    assert models.status_code == 200
    for role in ("viewer", "operator", "administrator"):
        assert made["secret"] not in served.api(role).get("/keys").text
    assert made["secret"] not in served.page.get(f"/keys?open={made['key']['id']}").text


def test_a_viewer_looks_but_changes_nothing(served):
    key_id = make(served)["key"]["id"]
    viewer = served.api("viewer")

    assert viewer.get(f"/keys/{key_id}").json()["name"] == "a shop"
    assert viewer.post("/keys", json={"name": "mine"}).status_code == 403
    assert viewer.patch(f"/keys/{key_id}", json={"name": "mine"}).status_code == 403
    assert viewer.post(f"/keys/{key_id}/rotate").status_code == 403
    assert viewer.request("DELETE", f"/keys/{key_id}").status_code == 403
    assert viewer.get(f"/keys/{key_id}").json()["name"] == "a shop"


def test_an_operator_makes_changes_rotates_and_revokes(served):
    operator = served.api("operator")
    key_id = operator.post("/keys", json={"name": "batch"}).json()["key"]["id"]

    changed = operator.patch(f"/keys/{key_id}", json={"name": "night batch", "daily_money": 12.5})
    rotated = operator.post(f"/keys/{key_id}/rotate", json={"overlap": 2})
    gone = operator.request("DELETE", f"/keys/{key_id}", json={"name": "night batch"})

    assert (changed.json()["name"], changed.json()["limits"]["daily_money"]) == ("night batch", 12.5)
    assert rotated.json()["key"]["old_until"] == pytest.approx(time.time() + 7200, abs=60)
    assert gone.status_code == 200
    assert operator.get(f"/keys/{key_id}").status_code == 404


def test_a_change_leaves_alone_what_it_does_not_name(served):
    key_id = make(served, models=["sora-2"], daily_jobs=3, expires="30d")["key"]["id"]

    changed = served.api().patch(f"/keys/{key_id}", json={"daily_jobs": None, "requests_a_minute": 9}).json()

    assert changed["limits"]["models"] == ["sora-2"]
    assert changed["limits"]["daily_jobs"] is None
    assert changed["limits"]["requests_a_minute"] == 9
    assert changed["expires_at"] == pytest.approx(time.time() + 30 * 86400, abs=60)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": ""}, "name"),
        ({"expires": "soon"}, "expires"),
        ({"networks": ["here"]}, "networks"),
        ({"requests_a_minute": 0}, "requests_a_minute"),
        ({"daily_jobs": "many"}, "daily_jobs"),
    ],
)
def test_what_will_not_do_is_refused_by_its_field(served, fields, param):
    refused = served.api().post("/keys", json={"name": "a shop"} | fields)

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


def test_revoking_wants_the_name_of_that_key(served):
    made = make(served, name="one of many")

    wrong = served.page.do("keys.revoke", id=made["key"]["id"], name="another")
    still = served.api().get(f"/keys/{made['key']['id']}")
    right = served.page.do("keys.revoke", id=made["key"]["id"], name="one of many")

    assert (wrong.status_code, still.status_code, right.status_code) == (400, 200, 200)
    assert served.api().get(f"/keys/{made['key']['id']}").status_code == 404


def test_the_form_shows_the_new_secret_on_its_own_page_alone(served):
    shown = served.page.do("keys.create", name="by a form", daily_jobs="5", models="sora-2, gpt-image-2", expires="")
    key = served.api().get("/keys", params={"search": "by a form"}).json()["keys"][0]

    assert "sk-" in shown.text
    assert (key["limits"]["daily_jobs"], key["limits"]["models"]) == (5, ["sora-2", "gpt-image-2"])
    assert "sk-" not in served.page.get("/keys").text


def test_names_with_markup_in_them_are_shown_as_they_are(served):
    make(served, name="<img src=x onerror=alert(1)>")

    assert "<img src=x" not in served.page.get("/keys").text


def test_pages_of_keys_hold_each_key_once(served):
    made = {make(served, name=f"pages {n}")["key"]["id"] for n in range(5)}
    found, after = [], None
    while True:
        page = served.api().get("/keys", params={"search": "pages ", "limit": 2} | ({"after": after} if after else {}))
        found += [key["id"] for key in page.json()["keys"]]
        after = page.json()["next"]
        if after is None:
            break

    assert len(found) == 5
    assert set(found) == made


def test_the_audit_knows_the_change_and_no_secret(served):
    made = make(served, name="audited", monthly_money=3)
    served.api().post(f"/keys/{made['key']['id']}/rotate")
    database = (served.folder / "sora2api.db").read_bytes() + (served.folder / "sora2api.db-wal").read_bytes()

    assert made["secret"].encode() not in database
    assert b"keys.create" in database
