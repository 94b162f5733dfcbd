"""Who comes into the panel, and how long they stay."""

import pytest

from sora2api.auth.first_start import end_defaults
from sora2api.auth.sessions import IDLE, LONGEST
from sora2api.settings import Settings

INSIDE = "/admin/requests"
PASSWORD = "correct horse"


async def test_the_root_leads_to_the_panel_and_the_panel_to_the_login(browser):
    root = await browser.get("/")
    bare = await browser.get("/admin")
    panel = await browser.get("/admin/")

    assert (root.status, root.headers["Location"]) == (302, "/admin/")
    assert (bare.status, bare.headers["Location"]) == (302, "/admin/")
    assert (panel.status, panel.headers["Location"]) == (303, "/admin/login")


async def test_the_default_login_demands_a_new_password_at_once(browser):
    entered = await browser.log_in()
    overview = await browser.get("/admin/")

    assert (entered.status, entered.headers["Location"]) == (303, "/admin/")
    assert (overview.status, overview.headers["Location"]) == (303, "/admin/password")


async def test_a_new_password_opens_the_panel_and_ends_the_default_one(browser, new_browser):
    await browser.settle_in()
    other = await new_browser()

    assert (await browser.get(INSIDE)).status == 200
    assert (await other.log_in()).status == 401
    assert (await other.log_in(PASSWORD)).status == 303
    assert (await other.get(INSIDE)).status == 200


@pytest.mark.parametrize(("password", "again"), [("short", "short"), (PASSWORD, "another one"), ("", "")])
async def test_a_new_password_that_will_not_do_is_asked_for_again(browser, password, again):
    await browser.log_in()
    form = {"csrf": (await browser.get("/admin/password")).csrf, "password": password, "again": again}

    refused = await browser.post("/admin/password", form)

    assert refused.status == 400
    assert 'role="alert"' in refused.text
    assert (await browser.get("/admin/")).headers["Location"] == "/admin/password"


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X_Real_IP": "127.0.0.1"},
        {"Via": "1.1 localhost"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Origin": "null", "Sec_Fetch_Site": "same-origin"},
    ],
)
async def test_the_default_login_is_refused_to_whoever_may_not_be_local(browser, headers):
    refused = await browser.log_in(**headers)

    assert refused.status == 401
    assert "Set-Cookie" not in refused.headers


async def test_the_default_login_wants_to_know_its_page(browser):
    form = {"username": "admin", "password": "admin"}

    assert (await browser.send("POST", "/admin/login", data=form)).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
async def test_a_login_sent_by_another_page_is_refused(browser, headers):
    assert (await browser.log_in(**headers)).status == 403


async def test_a_session_of_the_default_login_ends_where_a_proxy_comes_between(browser):
    await browser.log_in()

    relayed = await browser.get("/admin/password", X_Forwarded_For="127.0.0.1")

    assert relayed.headers["Location"] == "/admin/login"


async def test_the_login_page_names_the_default_only_while_it_works(browser, new_browser, server):
    def names_default(page) -> bool:
        return "<code>admin</code>" in page.text

    assert names_default(await browser.get("/admin/login"))
    assert not names_default(await browser.get("/admin/login", X_Forwarded_For="203.0.113.9"))
    await browser.settle_in()
    assert not names_default(await (await new_browser()).get("/admin/login"))


async def test_the_end_of_the_defaults_ends_their_sessions_and_gives_a_password(browser, server):
    await browser.log_in()

    issued = await end_defaults(server.database, server.folder)
    await server.first_start.reload()

    assert (await browser.get("/admin/")).headers["Location"] == "/admin/login"
    assert (await browser.log_in()).status == 401
    assert (await browser.log_in(issued.password)).status == 303
    assert (await browser.get(INSIDE)).status == 200


async def test_guessing_is_slowed_down_and_told_when_to_come_back(browser, new_browser):
    await browser.settle_in()
    guesser = await new_browser()

    statuses = [(await guesser.log_in(f"guess {n}")).status for n in range(5)]
    refused = await guesser.log_in(PASSWORD)

    assert statuses == [401, 401, 401, 401, 429]
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1


async def test_an_idle_session_ends(browser, server):
    await browser.settle_in()
    server.now += IDLE + 1

    assert (await browser.get("/admin/")).headers["Location"] == "/admin/login"


@pytest.mark.parametrize(("path", "header"), [("/admin/live", ""), (INSIDE, "1")])
async def test_what_a_page_does_by_itself_does_not_keep_a_session(browser, server, path, header):
    await browser.settle_in()
    for _ in range(3):
        server.now += IDLE / 2
        headers = {"X-Unasked": header} if header else {}
        async with browser.session.get(server.url + path, headers=headers, allow_redirects=False) as answer:
            last = answer.headers.get("Location")

    assert last == "/admin/login"


async def test_an_old_session_ends_though_it_is_in_use(browser, server):
    await browser.settle_in()
    for _ in range(int(LONGEST / (IDLE / 2))):
        assert (await browser.get(INSIDE)).status == 200
        server.now += IDLE / 2
    server.now += 1

    assert (await browser.get("/admin/")).headers["Location"] == "/admin/login"


async def test_logging_out_ends_the_session_itself_not_only_the_cookie(browser, new_browser):
    await browser.settle_in()
    (cookie,) = browser.session.cookie_jar
    thief = await new_browser(cookies=False)
    stolen = f"{cookie.key}={cookie.value}"
    assert (await thief.get(INSIDE, Cookie=stolen)).status == 200

    left = await browser.post("/admin/logout", {"csrf": (await browser.get(INSIDE)).csrf})

    assert (left.status, left.headers["Location"]) == (303, "/admin/login")
    assert (await thief.get("/admin/", Cookie=stolen)).headers["Location"] == "/admin/login"


@pytest.mark.parametrize("path", ["/admin/logout", "/admin/theme"])
@pytest.mark.parametrize("form", [{}, {"csrf": ""}, {"csrf": "wrong"}, {"csrf": "\N{SNOWMAN}"}])
async def test_a_form_without_the_sessions_token_is_refused(browser, path, form):
    await browser.settle_in()

    assert (await browser.post(path, form)).status == 403
    assert (await browser.get(INSIDE)).status == 200


@pytest.mark.parametrize("body", [b"csrf=\xff", b"csrf=%ff", b"&&=&", b"csrf=a&csrf=b"])
async def test_a_form_that_is_garbled_is_refused(browser, body):
    await browser.settle_in()
    kind = {"Origin": browser.server.url, "Content-Type": "application/x-www-form-urlencoded"}

    assert (await browser.send("POST", "/admin/logout", data=body, headers=kind)).status in (400, 403)


async def test_a_form_with_the_token_of_another_session_is_refused(browser, new_browser):
    await browser.settle_in()
    other = await new_browser()
    await other.log_in(PASSWORD)
    token = (await other.get(INSIDE)).csrf

    assert (await browser.post("/admin/logout", {"csrf": token})).status == 403


async def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(browser, new_browser, server):
    server.settings = Settings(trusted_proxies=("127.0.0.1",))
    await browser.settle_in()
    plain = (await (await new_browser()).log_in(PASSWORD)).headers["Set-Cookie"]
    secure = (await (await new_browser()).log_in(PASSWORD, X_Forwarded_Proto="https")).headers["Set-Cookie"]

    for flag in ("HttpOnly", "SameSite=Strict", "Path=/admin/"):
        assert flag in plain
        assert flag in secure
    assert "Secure" in secure
    assert "Secure" not in plain
