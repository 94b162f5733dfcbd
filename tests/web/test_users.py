"""Users, roles, second factors, sessions and panel keys: who gets in, and who may do what."""

import re
import sqlite3
import time

import httpx2
import pyotp
import pytest
from served import PASSWORD, Page, Served, token


@pytest.fixture
def visitor(served):
    """A browser that nobody has logged in with."""
    page = Page(served.url)
    yield page
    page.client.close()


def add(served, name, role="operator"):
    """A user, and the password for the first login."""
    made = served.api().post("/users", json={"name": name, "role": role})
    assert made.status_code == 200, made.text
    return made.json()["user"], made.json()["password"]


def settle(page, name, password, new="a boat on the lake"):
    """Log in with a password that was handed over, and choose another one."""
    asked = page.log_in(name, password)
    assert asked.url.path == "/admin/password"
    return page.post("/password", csrf=token(asked), password=new, again=new)


def turn_on(page):
    """A second factor for the one who is logged in: its codes (that it was begun with, and the next), its secret, and
    the recovery codes.
    """
    asked = page.get("/me/factor")
    clock = pyotp.TOTP(re.search(r"<code>([A-Z2-7]{32})</code>", asked.text)[1])
    now = time.time()
    codes = clock.at(now), clock.at(now + clock.interval)
    shown = page.post("/me/factor", csrf=token(asked), code=codes[0])
    assert shown.status_code == 200
    return codes, clock.secret, re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", shown.text)


def second_step(page, asked, code):
    ticket = re.search(r'name="ticket" value="([^"]+)"', asked.text)[1]
    return page.post("/login/code", ticket=ticket, code=code)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_users_and_panel_keys_are_the_administrators(served, role):
    api = served.api(role)

    assert api.get("/users").status_code == 403
    assert api.post("/users", json={"name": "mine", "role": "administrator"}).status_code == 403
    assert api.get("/sessions").status_code == 403
    assert api.get("/panel_keys").status_code == 403
    assert api.post("/panel_keys", json={"name": "mine", "role": "administrator"}).status_code == 403


def test_a_new_user_logs_in_and_chooses_a_password_at_once(served, visitor):
    user, password = add(served, "lena", "viewer")
    entered = settle(visitor, "lena", password)
    again = visitor.log_in("lena", password)
    visitor.log_in("lena", "a boat on the lake")

    assert entered.status_code == 200
    assert again.status_code == 401
    assert password not in served.api().get("/users").text
    assert visitor.get("/settings").status_code == 403
    assert visitor.get("/keys").status_code == 200
    assert "/admin/settings" not in visitor.get("/keys").text
    assert user["role"] == "viewer"


def test_another_role_holds_at_once(served, visitor):
    user, password = add(served, "role")
    settle(visitor, "role", password)
    before = visitor.do("keys.create", name="by an operator").status_code
    served.api().patch(f"/users/{user['id']}", json={"role": "viewer"})
    after = visitor.do("keys.create", name="by a viewer").status_code

    assert (before, after) == (200, 403)


def test_who_is_let_in_no_more_is_out_at_once(served, visitor):
    user, password = add(served, "gone")
    settle(visitor, "gone", password)
    served.api().post(f"/users/{user['id']}/disable")
    out = visitor.get("/keys")
    refused = visitor.log_in("gone", "a boat on the lake")
    served.api().post(f"/users/{user['id']}/enable")

    assert out.url.path == "/admin/login"
    assert refused.status_code == 401
    assert visitor.log_in("gone", "a boat on the lake").status_code == 200


def test_the_last_administrator_stays(served):
    admin = next(user for user in served.api().get("/users").json()["users"] if user["name"] == "admin")

    assert served.api().post(f"/users/{admin['id']}/disable").status_code == 400
    assert served.api().patch(f"/users/{admin['id']}", json={"role": "viewer"}).status_code == 400
    assert served.page.get("/users").status_code == 200


def test_a_password_that_is_reset_ends_the_sessions(served, visitor):
    user, password = add(served, "forgetful")
    settle(visitor, "forgetful", password)
    new = served.api().post(f"/users/{user['id']}/reset_password").json()["password"]

    assert visitor.get("/keys").url.path == "/admin/login"
    assert visitor.log_in("forgetful", "a boat on the lake").status_code == 401
    assert settle(visitor, "forgetful", new, "another boat, further out").status_code == 200


def test_a_second_factor_asks_for_a_code_that_holds_once(served, visitor):
    user, password = add(served, "careful")
    settle(visitor, "careful", password)
    (first, following), secret, recovery = turn_on(visitor)
    asked = visitor.log_in("careful", "a boat on the lake")
    wrong = second_step(visitor, asked, "000000")
    used = second_step(visitor, wrong, first)
    right = second_step(visitor, used, following)
    seen = served.api().get("/users").text + served.api().get("/audit").text

    assert len(set(recovery)) == 10
    assert (asked.status_code, wrong.status_code, used.status_code) == (200, 401, 401)
    assert right.url.path == "/admin/"
    assert secret not in seen
    assert not any(code in seen for code in recovery)
    assert user["second_factor"] is False


def test_a_recovery_code_lets_in_once_and_an_administrator_can_take_the_factor_away(served, visitor):
    user, password = add(served, "unlucky")
    settle(visitor, "unlucky", password)
    *_, recovery = turn_on(visitor)

    first = second_step(visitor, visitor.log_in("unlucky", "a boat on the lake"), recovery[0].upper())
    second = second_step(visitor, visitor.log_in("unlucky", "a boat on the lake"), recovery[0])
    served.api().post(f"/users/{user['id']}/remove_second_factor")
    without = visitor.log_in("unlucky", "a boat on the lake")

    assert first.url.path == "/admin/"
    assert second.status_code == 401
    assert without.url.path == "/admin/"


def test_codes_are_not_to_be_guessed(served):
    _user, password = add(served, "guessed")
    guesser = Page(served.url, address="127.0.0.9")
    settle(guesser, "guessed", password)
    turn_on(guesser)
    asked = guesser.log_in("guessed", "a boat on the lake")
    answers = [second_step(guesser, asked, f"{guess:06}").status_code for guess in range(5)]
    guesser.client.close()

    assert answers == [401, 401, 401, 401, 429]


def test_the_picture_of_the_secret_is_its_owners_alone(served, visitor):
    _user, password = add(served, "drawn")
    assert visitor.get("/me/factor.svg").url.path == "/admin/login"
    settle(visitor, "drawn", password)
    drawn = visitor.get("/me/factor.svg")

    assert drawn.headers["content-type"] == "image/svg+xml"
    assert drawn.headers["cache-control"] == "no-store"
    assert "<script" not in drawn.text


def test_sessions_are_listed_and_ended_one_by_one_or_all(served, visitor):
    user, password = add(served, "many")
    settle(visitor, "many", password)
    other = Page(served.url)
    other.client.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other.log_in("many", "a boat on the lake")
    listed = served.api().get("/sessions", params={"user": user["id"]}).json()["sessions"]
    shown = visitor.get("/me").text
    served.api().delete(f"/sessions/{next(one['id'] for one in listed if 'Firefox' in one['agent'])}")
    one_left = (other.get("/keys").url.path, visitor.get("/keys").url.path)
    served.api().post(f"/users/{user['id']}/end_sessions")
    other.client.close()

    assert len(listed) == 2
    assert {one["address"] for one in listed} == {"127.0.0.1"}
    assert "Firefox, Linux" in shown
    assert one_left == ("/admin/login", "/admin/keys")
    assert visitor.get("/keys").url.path == "/admin/login"


def test_nobody_ends_the_sessions_of_others_by_the_own_page(served, visitor):
    _user, password = add(served, "curious")
    settle(visitor, "curious", password)
    theirs = next(one["id"] for one in served.api().get("/sessions").json()["sessions"] if one["user"] == "admin")
    refused = visitor.post("/me/sessions/end", csrf=token(visitor.get("/me")), id=theirs)

    assert refused.status_code == 404
    assert served.page.get("/keys").url.path == "/admin/keys"


def test_the_own_password_is_changed_and_other_sessions_end(served, visitor):
    _user, password = add(served, "changing")
    settle(visitor, "changing", password)
    other = Page(served.url)
    other.log_in("changing", "a boat on the lake")
    new = "a house beside the lake"
    changed = visitor.post("/me/password", csrf=token(visitor.get("/me")), password=new, again=new)
    out = other.get("/keys").url.path
    other.client.close()

    assert changed.url.path == "/admin/me"
    assert out == "/admin/login"
    assert visitor.log_in("changing", new).status_code == 200


def test_a_panel_key_works_until_it_is_revoked_and_is_told_once(served):
    made = served.api().post("/panel_keys", json={"name": "a script", "role": "viewer"}).json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}

    def status():
        return httpx2.get(f"{served.url}/admin/api/v1/keys", headers=bearer, trust_env=False).status_code

    before = status()
    listed = served.api().get("/panel_keys").text + served.page.get("/users").text
    served.api().delete(f"/panel_keys/{made['key']['id']}")

    assert (before, status()) == (200, 401)
    assert made["secret"] not in listed


def test_what_is_secret_wants_the_password_again_after_a_while(tmp_path):
    with Served(tmp_path) as served:
        served.page.settle_in()
        page = served.page
        forget_the_proof(served)
        asked = page.do("users.add", name="late", role="viewer")
        wrong = page.post("/prove", csrf=token(asked), password="no", next="/admin/users")
        back = page.post("/prove", csrf=token(asked), password=PASSWORD, next="/admin/users")
        added = page.do("users.add", name="late", role="viewer")

    assert asked.url.path == "/admin/prove"
    assert wrong.status_code == 401
    assert back.url.path == "/admin/users"
    assert "late" in added.text


def test_a_proof_leads_to_no_other_site(served):
    asked = served.page.get("/prove?next=https://evil.example/admin/")

    assert 'name="next" value="/admin/"' in asked.text


def forget_the_proof(served):
    """Let the password have been given six minutes ago."""
    with sqlite3.connect(served.folder / "sora2api.db", timeout=30) as database:
        database.execute("UPDATE sessions SET proved_at = proved_at - 360")
    database.close()


def test_behind_tls_the_browser_is_told_to_stay_there(tmp_path):
    with Served(tmp_path, "--trusted-proxies", "127.0.0.1") as served:
        plain = served.page.get("/login")
        secure = served.page.client.get("/admin/login", headers={"X-Forwarded-Proto": "https"})

    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"].startswith("max-age=")
