"""What the pages show, and what they let a browser do."""

import re
from importlib.resources import files

import aiohttp_jinja2
import pytest
from aiohttp import web

from sora2api.web import keys, pages

INSIDE = "/admin/requests"
HTML, CSS, SCRIPTS = 40 * 1024, 24 * 1024, 40 * 1024
"""The most bytes that a page may have of each."""
SHARE = "s_0123456789abcdef0123456789abcdef"
MARKUP = '<script>alert("1")</script>'


def video(**over: object) -> keys.SharedVideo:
    given = {
        "title": "A paper boat",
        "model": "sora-2",
        "video": "/media/token/boat.mp4",
        "poster": "/media/token/boat.webp",
        "width": 1280,
        "height": 720,
        "seconds": 9.96,
    }
    return keys.SharedVideo(**(given | over))


TEMPLATES = sorted(path.name for path in (files("sora2api.web") / "templates").iterdir())


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles(name):
    app = web.Application()
    pages.set_up(app, static="/static")

    assert app[aiohttp_jinja2.APP_KEY].get_template(name).name == name


async def test_names_are_text_not_markup(browser, server):
    server.shared[SHARE] = video(title=MARKUP, model=MARKUP)
    refused = await browser.post("/admin/login", {"username": f'"><{MARKUP}', "password": "x"})

    for page in (await browser.get(f"/p/{SHARE}"), refused):
        assert MARKUP not in page.text
        assert "&lt;script" in page.text


@pytest.mark.parametrize("path", ["/admin/login", "/admin/nothing", "/admin/static/panel.css", f"/p/{SHARE}", "/p/x"])
async def test_a_browser_may_do_little_with_a_page(browser, server, path):
    server.shared[SHARE] = video()

    headers = (await browser.get(path)).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_needs_nothing_that_the_policy_forbids(name):
    source = (files("sora2api.web") / "templates" / name).read_text()

    assert re.findall(r"<script(?![^>]* src=)", source) == []
    assert re.findall(r"\son\w+=", source) == []
    assert "style=" not in source
    assert "<style" not in source
    assert "| safe" not in source
    assert "http://" not in source


async def test_pages_that_are_not_there_are_pages(browser):
    missing = await browser.get("/admin/nothing")
    wrong = await browser.send("PUT", "/admin/login", headers={"Origin": browser.server.url})

    assert (missing.status, wrong.status) == (404, 405)
    assert "GET" in wrong.headers["Allow"]
    for page in (missing, wrong):
        assert page.headers["Content-Type"].startswith("text/html")


async def test_a_mistake_of_ours_is_told_without_its_insides(browser, server, caplog):
    server.fault = RuntimeError("the secret insides")

    failed = await browser.get(f"/p/{SHARE}")

    assert failed.status == 500
    assert "secret insides" not in failed.text
    assert "Traceback" not in failed.text
    assert "the secret insides" in caplog.text


async def test_a_form_too_large_or_of_another_kind_is_refused(browser):
    large = await browser.post("/admin/login", {"username": "x" * 70_000, "password": "x"})
    json = await browser.send("POST", "/admin/login", json={}, headers={"Origin": browser.server.url})

    assert (large.status, json.status) == (413, 415)


async def test_light_or_dark_is_remembered(browser):
    await browser.settle_in()
    overview = await browser.get(INSIDE)
    assert 'data-theme="system"' in overview.text

    await browser.post("/admin/theme", {"csrf": overview.csrf, "theme": "dark"})
    await browser.post("/admin/theme", {"csrf": overview.csrf, "theme": '"><script>'})

    assert 'data-theme="dark"' in (await browser.get(INSIDE)).text


async def test_a_shared_video_is_played_and_previewed(browser, server):
    server.shared[SHARE] = video()
    base = server.url

    shown = await browser.get(f"/p/{SHARE}")

    assert shown.status == 200
    assert "<video controls" in shown.text
    for name, content in {
        "og:title": "A paper boat",
        "og:url": f"{base}/p/{SHARE}",
        "og:video": f"{base}/media/token/boat.mp4",
        "og:image": f"{base}/media/token/boat.webp",
        "og:video:width": "1280",
    }.items():
        assert f'<meta property="{name}" content="{content}">' in shown.text
    assert "10\N{NARROW NO-BREAK SPACE}s" in shown.text.replace("&#8239;", "\N{NARROW NO-BREAK SPACE}")


async def test_a_share_page_may_take_its_media_from_where_they_lie(browser, server):
    server.shared[SHARE] = video(video="https://cdn.example/boat.mp4", poster=None)

    policy = (await browser.get(f"/p/{SHARE}")).headers["Content-Security-Policy"]

    assert "media-src 'self' https://cdn.example" in policy.split("; ")


async def test_what_is_not_shared_has_a_page_that_says_so(browser):
    missing = await browser.get("/p/s_ffffffffffffffffffffffffffffffff")

    assert missing.status == 404
    assert "no video here" in missing.text


@pytest.mark.parametrize(
    ("amount", "expected"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (123_456_789, "123 MB"), (2e15, "2.0 PB")]
)
def test_sizes_have_their_unit(amount, expected):
    assert pages.size(amount).replace("\N{NARROW NO-BREAK SPACE}", " ") == expected


@pytest.mark.parametrize(("seconds", "expected"), [(-1, "0 s"), (89, "89 s"), (180, "3 min"), (7200, "2 h")])
def test_lengths_of_time_are_told_roughly(seconds, expected):
    assert pages.span(seconds).replace("\N{NARROW NO-BREAK SPACE}", " ") == expected


async def test_the_shell_keeps_its_weight(browser):
    await browser.settle_in()

    assert len((await browser.get(INSIDE)).text.encode()) < HTML


def test_styles_and_scripts_keep_their_weight():
    """A page loads the style of all pages, and its section's own."""
    sizes = {file.name: len(file.read_bytes()) for file in (files("sora2api.web") / "static").iterdir()}
    shared = sizes.pop("panel.css")
    heavy = {name: shared + size for name, size in sizes.items() if name.endswith(".css") and shared + size >= CSS}

    assert not heavy
    assert sum(size for name, size in sizes.items() if name.endswith(".js")) < SCRIPTS
