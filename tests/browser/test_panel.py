"""What holds for every page of the panel, and what its pieces do in a browser."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from browsing import Open, Panel, Watched
from playwright.async_api import Page, Route, expect

pytestmark = pytest.mark.slow

GRAVE = ("serious", "critical")
KB = 1024
PAGE, STYLE, SCRIPT = r"/admin/[a-z]*$", r"\.css$", r"\.js$"
WITHIN = (
    "/admin/accounts/add",
    "/admin/accounts/add?kind=openai/vllm-omni",
    "/admin/accounts/import",
    "/admin/keys?open=new",
    "/admin/proxies?open=new",
    "/admin/me",
    "/admin/me/factor",
    "/admin/prove",
    "/admin/nothing",
    "/p/s_0123456789abcdef0123456789abcdef",
)
SILENCE = 5_000
"""In which all has been told of a change that there is to tell, in milliseconds."""
LIGHT = {PAGE: 40 * KB, STYLE: 24 * KB, SCRIPT: 40 * KB}


async def sections(page: Page) -> list[str]:
    """The paths of all sections that the menu shows."""
    return await page.locator("[data-go]").evaluate_all("links => links.map(link => new URL(link.href).pathname)")


async def list_proxy(page: Page, name: str) -> None:
    await page.locator("a[href*='open=new']").first.click()
    await page.fill("[name=name]", name)
    await page.fill("[name=url]", "http://proxy.example:3128")
    await page.click("form[action$='/proxies.add'] button")
    await expect(page.locator("tbody tr", has_text=name)).to_be_visible()


def row(page: Page, name: str):
    return page.locator("tbody tr", has_text=name)


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_section_is_open_to_all(open_page: Open, panel: Panel, theme: str, width: int):
    panel.chat("A paper boat")
    page = await open_page("/admin/", width=width, theme=theme)
    for path in await sections(page):
        await page.goto(panel.url + path)

        assert await barriers(page) == [], path


@pytest.mark.parametrize(("theme", "width"), [("light", 380), ("dark", 1280)])
async def test_every_page_within_a_section_is_open_to_all(pages: Watched, panel: Panel, theme: str, width: int):
    pages.expected = ("404",)
    panel.chat("A paper boat")
    panel.chat("[refuse]")
    page = await pages.open("/admin/requests", width=width, theme=theme)
    request = await page.locator("tbody th a").first.get_attribute("href")
    await page.goto(f"{panel.url}/admin/jobs")
    jobs = await page.locator("tbody th a").evaluate_all("links => links.map(link => new URL(link.href).pathname)")
    for path in (request, *jobs[:2], *WITHIN):
        await page.goto(panel.url + path)

        assert await barriers(page) == [], path


async def barriers(page: Page) -> list[tuple[str, list[str]]]:
    """What keeps some people from using a page, with the elements that do."""
    found = await Axe().run(page)
    grave = [fault for fault in found.response["violations"] if fault["impact"] in GRAVE]
    return [(fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]) for fault in grave]


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
async def test_no_section_is_wider_than_the_screen(open_page: Open, panel: Panel, language: str):
    page = await open_page("/admin/", language=language)
    for path in await sections(page):
        await page.goto(panel.url + path)
        for width in (380, 1280, 1600):
            await page.set_viewport_size({"width": width, "height": 800})

            assert await page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


async def test_every_section_is_light(open_page: Open):
    for path in await sections(await open_page("/admin/")):
        page = await open_page(path)  # with nothing kept from another page
        loaded = await page.evaluate("""
            ["navigation", "resource"].flatMap(kind => performance.getEntriesByType(kind))
            .map(({name, decodedBodySize}) => [new URL(name).pathname, decodedBodySize])
        """)
        weights = {kind: sum(size for name, size in loaded if re.search(kind, name)) for kind in LIGHT}

        assert weights[SCRIPT] > 0
        assert {kind: weights[kind] for kind, most in LIGHT.items() if weights[kind] >= most} == {}, path
        await page.close()


async def test_a_form_is_sent_where_it_stands_and_what_it_did_can_be_undone(open_page: Open):
    page = await open_page("/admin/proxies")
    await page.evaluate("window.same = true")
    await list_proxy(page, "undone")
    await row(page, "undone").get_by_role("button", name="Disable").click()
    await expect(row(page, "undone").get_by_role("button", name="Enable")).to_be_visible()
    await page.locator(".toast").last.get_by_role("button", name="Undo").click()

    await expect(row(page, "undone").get_by_role("button", name="Disable")).to_be_visible()
    assert await page.evaluate("window.same")


async def test_an_error_stands_at_the_field_it_is_about(pages: Watched):
    pages.expected = ("400",)
    page = await pages.open("/admin/proxies?open=new")
    await page.fill("[name=name]", "none")
    await page.fill("[name=url]", "http://proxy.example")
    await page.click("form[action$='/proxies.add'] button")

    await expect(page.locator("[name=name]")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("[name=name]")).to_be_focused()
    assert await page.input_value("[name=url]") == "http://proxy.example"


async def test_what_cannot_be_undone_asks_for_the_name(open_page: Open):
    page = await open_page("/admin/proxies")
    await list_proxy(page, "doomed")
    await row(page, "doomed").get_by_role("link").click()
    await page.locator("#drawer").get_by_role("button", name="Remove").click()
    yes = page.get_by_role("button", name="Yes, do it")
    await page.locator("dialog input").fill("another")
    await expect(yes).to_be_disabled()
    await page.locator("dialog input").fill("doomed")
    await yes.click()

    await expect(row(page, "doomed")).to_have_count(0)


async def test_another_page_sees_a_change_without_reloading(open_page: Open):
    seen = await open_page("/admin/proxies")
    await seen.evaluate("window.same = true")
    changed = await open_page("/admin/proxies")
    await list_proxy(changed, "told")

    await seen.get_by_role("button", name="1 new").click()
    await expect(row(seen, "told")).to_be_visible()
    assert await seen.evaluate("window.same")


async def test_twelve_tabs_hear_of_a_change_by_one_stream(pages: Watched):
    first = await pages.open("/admin/proxies")
    await list_proxy(first, "before")
    tabs = [first, *[await pages.beside(first, "/admin/proxies") for _ in range(11)]]
    await list_proxy(first, "to all")
    for tab in tabs[1:]:
        await expect(tab.get_by_role("button", name="1 new")).to_be_visible()
    opened = "performance.getEntriesByType('resource').filter(each => each.name.includes('/live?')).length"
    held = await first.evaluate("navigator.locks.query().then(({held, pending}) => [held.length, pending.length])")

    assert held == [1, len(tabs) - 1]
    assert [await tab.evaluate(opened) for tab in tabs[1:]] == [0] * (len(tabs) - 1)


async def test_the_next_tab_listens_when_the_one_that_did_is_closed(pages: Watched):
    first = await pages.open("/admin/proxies")
    await list_proxy(first, "before it")
    second, third = [await pages.beside(first, "/admin/proxies") for _ in range(2)]
    await first.close()
    await list_proxy(second, "after it")

    await expect(third.get_by_role("button", name="1 new")).to_be_visible()


async def test_forms_and_links_do_without_a_script(chromium, panel: Panel):
    context = await chromium.new_context(java_script_enabled=False, storage_state=panel.login)
    page = await context.new_page()
    await page.goto(f"{panel.url}/admin/proxies")
    await list_proxy(page, "plain")

    await expect(page.locator(".toast")).to_contain_text("plain")
    await context.close()


async def test_what_is_typed_before_the_scripts_are_there_is_searched_for(open_page: Open, panel: Panel):
    page = await open_page("/admin/")
    typed = asyncio.Event()

    async def hold(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    await page.route("**/visit*.js*", hold)
    await page.goto(f"{panel.url}/admin/requests", wait_until="commit")
    await page.get_by_role("searchbox").fill("walrus")
    typed.set()

    await expect(page).to_have_url(re.compile(r"[?&]text=walrus"))


async def test_what_changed_while_a_page_was_on_its_way_is_seen(open_page: Open, panel: Panel):
    page = await open_page("/admin/keys")
    change = await key_api(page, panel)
    given = await change("POST", "", {"name": "lantern"})
    made, seen = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        from_before = await route.fetch()
        made.set()
        await seen.wait()
        await route.fulfill(response=from_before)

    await page.reload()
    await page.route("**/admin/keys?search=*", hold, times=1)
    await page.get_by_role("searchbox").fill("lantern")
    await made.wait()
    await change("PATCH", f"/{given['key']['id']}", {"name": "lantern of the harbour"})
    await expect(row(page, "lantern of the harbour")).to_be_visible()
    await page.wait_for_timeout(SILENCE)
    seen.set()

    await expect(page).to_have_url(re.compile(r"[?&]search=lantern"))
    await expect(row(page, "lantern of the harbour")).to_be_visible()


async def key_api(page: Page, panel: Panel) -> Callable[[str, str, dict[str, str]], Awaitable[dict[str, Any]]]:
    """Calls the admin API on keys as the *page*'s user."""
    headers = {"x-csrf-token": await page.locator("input[name=csrf]").first.input_value(), "origin": panel.url}

    async def change(method: str, path: str, data: dict[str, str]) -> dict[str, Any]:
        url = f"{panel.url}/admin/api/v1/keys{path}"
        answer = await page.request.fetch(url, method=method, headers=headers, data=data)
        assert answer.ok, await answer.text()
        return await answer.json()

    return change


async def test_keys_go_search_and_help(open_page: Open):
    page = await open_page("/admin/")
    await page.keyboard.press("g")
    await page.keyboard.press("p")
    await page.wait_for_url("**/admin/proxies")
    await page.keyboard.press("?")

    await expect(page.locator("#help")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#help")).to_be_hidden()


async def test_the_first_tab_leads_past_the_menu(open_page: Open):
    page = await open_page("/admin/proxies")
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")

    assert page.url.endswith("#main")


async def test_a_phone_reaches_every_section(open_page: Open):
    page = await open_page("/admin/", width=380)
    await page.get_by_text("More", exact=True).click()
    for link in await page.locator("[data-go]").all():
        await expect(link).to_be_in_viewport()


@pytest.mark.parametrize(("theme", "dark"), [("light", False), ("dark", True)])
async def test_the_chosen_theme_holds(open_page: Open, theme: str, dark: bool):
    page = await open_page("/admin/", theme=theme)
    back = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = float(re.search(r"[\d.]+", back)[0])

    assert (lightness < 0.5) == dark
