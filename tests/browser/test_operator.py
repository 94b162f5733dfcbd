"""What an operator does day by day: many accounts at once, jobs that are watched and ended, the log, users."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest
import pytest_asyncio
from browsing import KEY, Open, Panel, Watched, settle_in
from playwright.async_api import Browser, Locator, Page, expect
from running import Running

pytestmark = pytest.mark.slow

MANY: Final = 500
LONG: Final = 60_000.0
LANGUAGES: Final = {"Русский": ("ru", "Обзор"), "中文": ("zh", "概览"), "English": ("en", "Overview")}


@asynccontextmanager
async def serving(browser: Browser, folder: Path, *options: str) -> AsyncIterator[Panel]:
    with Running("serve", folder, *options) as server:
        panel = Panel(server.url)
        await settle_in(browser, panel)
        yield panel


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def panel(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Panel]:
    """A server of its own, whose videos take a while."""
    async with serving(chromium, tmp_path_factory.mktemp("operated"), "--sandbox-delay", "20") as panel:
        yield panel


def asked(panel: Panel, prompt: str) -> str:
    """The id of a job that is asked for, and not waited for."""
    body = {"prompt": prompt, "model": "sora-2", "seconds": "4", "size": "1280x720"}
    headers = {"Authorization": f"Bearer {KEY}"}
    reply = httpx2.post(f"{panel.url}/v1/videos", json=body, headers=headers, timeout=30, trust_env=False)
    assert reply.status_code == 200, reply.text
    return reply.json()["id"]


def row(page: Page, words: str) -> Locator:
    return page.get_by_role("row").filter(has_text=words)


async def test_a_viewer_finds_no_button_that_changes_and_is_refused(open_page: Open, panel: Panel):
    panel.chat("Seen by a viewer")
    password = await added_user(await open_page("/admin/users"), "vera", "viewer")
    page = await open_page("/admin/", anonymous=True)
    await enters(page, "vera", password)

    for path in await page.locator("[data-go]").evaluate_all("links => links.map(link => link.href)"):
        shown = await page.goto(path)
        assert shown.status == 200, path
        await expect(page.get_by_role("heading", level=1)).to_be_attached()
        assert await page.locator("main form[method=post]").count() == 0, path
    csrf = await page.locator("input[name=csrf]").first.input_value()
    refused = await page.request.post(
        f"{panel.url}/admin/api/v1/proxies",
        data={"name": "hers", "url": "http://proxy.example:3128"},
        headers={"x-csrf-token": csrf, "origin": panel.url},
    )
    assert (refused.status, (await refused.json())["error"]["code"]) == (403, "forbidden")


async def added_user(page: Page, name: str, role: str) -> str:
    """The password that is shown for a new user."""
    await page.get_by_role("link", name="Add a user").click()
    await page.get_by_role("textbox", name="Name").fill(name)
    await page.get_by_role("combobox", name="Role").select_option(role)
    await page.get_by_role("button", name="Add the user").click()
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    return await page.get_by_role("main").locator("pre").inner_text()


async def enters(page: Page, name: str, password: str) -> None:
    """The first login of a user, who chooses another password."""
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()
    for label in ("New password", "Once more"):
        await page.get_by_label(label).fill(f"{password} and more")
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.get_by_role("navigation", name="Panel")).to_be_visible()


async def test_progress_is_seen_without_reloading(open_page: Open, panel: Panel):
    asked(panel, "A train in the snow")
    page = await open_page("/admin/jobs")
    await page.evaluate("window.same = true")
    job = row(page, "A train in the snow")
    bar = job.get_by_role("progressbar")

    await expect(bar).to_be_visible()
    await expect(bar).not_to_have_attribute("value", "0")
    early = float(await bar.evaluate("bar => bar.value"))
    await expect(job.locator("[data-percent]")).not_to_have_text(f"{early:g}")
    assert float(await bar.evaluate("bar => bar.value")) > early
    await expect(job.get_by_text("done")).to_be_visible(timeout=LONG)
    assert await page.evaluate("window.same")


async def test_a_job_is_cancelled_from_the_list(open_page: Open, panel: Panel):
    cancelled, other = asked(panel, "A storm that is called off"), asked(panel, "A storm that stays")
    page = await open_page("/admin/jobs")
    await row(page, "A storm that is called off").get_by_role("checkbox").check()
    await page.get_by_role("button", name="Cancel them").click()

    await expect(row(page, "A storm that is called off").get_by_text("cancelled")).to_be_visible()
    await expect(row(page, "A storm that stays").get_by_text("done")).to_be_visible(timeout=LONG)
    states = {one: httpx2.get(**looked_up(panel, one)).json()["status"] for one in (cancelled, other)}
    assert states == {cancelled: "failed", other: "completed"}


def looked_up(panel: Panel, job: str) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {KEY}"}
    return {"url": f"{panel.url}/v1/videos/{job}", "headers": headers, "timeout": 30, "trust_env": False}


async def test_the_log_is_searched_as_words_are_typed(open_page: Open, panel: Panel):
    for prompt in ("A walrus sings", "A pelican listens"):
        assert panel.chat(prompt).status_code == 200
    page = await open_page("/admin/requests")
    while not await row(page, "A pelican listens").is_visible():  # the log is written in batches
        await page.reload()
    await page.evaluate("window.same = true")
    await page.get_by_role("searchbox", name="Words of the prompt, or an id").fill("walrus")

    await expect(row(page, "A pelican listens")).to_have_count(0)
    await expect(row(page, "A walrus sings")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"[?&]text=walrus"))
    assert await page.evaluate("window.same")


async def test_the_language_is_switched(open_page: Open):
    page = await open_page("/admin/")
    for name, (code, word) in LANGUAGES.items():
        await page.get_by_role("button", name=name).click()

        await expect(page.locator("html")).to_have_attribute("lang", code)
        await expect(page.get_by_role("link", name=word, exact=True)).to_have_attribute("aria-current", "page")


async def test_five_hundred_accounts_come_by_a_file(chromium: Browser, tmp_path: Path):
    tokens = [f"sk-{number:03}" for number in range(MANY)]
    keys = [option for token in tokens for option in ("--key", token)]
    with Running("sandbox", tmp_path / "engine", "--delay", "0", *keys) as engine:
        async with serving(chromium, tmp_path / "served") as panel:
            watched = Watched(chromium, panel)
            page = await watched.open("/admin/accounts")
            await imports(page, listed(engine.url, tokens))
            await finds_them(page)
            await watched.close()
            assert watched.faults == []


def listed(engine: str, tokens: list[str]) -> str:
    """CSV of an account for each token of an *engine*, with a line among them that is wrong."""
    settings = '"{""dialect"":""sandbox""}"'
    rows = [f"number-{token[3:]},openai,{engine}/v1,{token},{settings}" for token in tokens]
    rows.insert(7, "wrong,nobody,http://127.0.0.1:9/v1,sk,")
    return "\n".join(["name,driver,base_url,token,settings", *rows])


async def imports(page: Page, text: str) -> None:
    await page.get_by_role("link", name="Import").first.click()
    file = {"name": "accounts.csv", "mimeType": "text/csv", "buffer": text.encode()}
    await page.get_by_label("File").first.set_input_files(file)
    await page.get_by_role("button", name="Look at it first").click()
    for title, go_on in (
        ("What would become of it", page.get_by_role("button", name="Import them")),
        ("What became of it", page.get_by_role("link", name="To the accounts")),
    ):
        await expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=LONG)
        assert await tiles(page) == {"added": MANY, "changed": 0, "skipped": 0, "failed": 1}
        await expect(row(page, "wrong")).to_contain_text("There is no driver 'nobody'")
        await go_on.click()


async def tiles(page: Page) -> dict[str, int]:
    names = await page.get_by_role("main").locator("dl.tiles dt").all_inner_texts()
    numbers = await page.get_by_role("main").locator("dl.tiles dd").all_inner_texts()
    return {name.strip(): int(number) for name, number in zip(names, numbers, strict=True)}


async def finds_them(page: Page) -> None:
    await expect(page.get_by_text(f"{MANY} accounts")).to_be_visible()
    await page.get_by_role("link", name="Next").click()
    await expect(row(page, "number-000")).to_have_count(0)
    await page.get_by_role("searchbox").fill("number-499")
    await expect(page.locator("tbody").get_by_role("row")).to_have_count(1)
    await expect(row(page, "number-499").get_by_text("ready")).to_be_visible(timeout=LONG)
