"""Somebody new, with a server just started, a browser and no documentation, comes to videos, an engine and a key.

Everything is found by what is written on it. With SCREENSHOTS=FOLDER the pictures are taken on the way.
"""

import re
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import pytest_asyncio
from browser.camera import picture
from browsing import PASSWORD, Panel, Watched
from playwright.async_api import Browser, Locator, Page, expect
from running import Running

ENGINE_KEY = "sk-sandbox"
SHOTS = ("a heron wakes in the reeds", "it spreads its wings", "it flies over the lake")
MADE = 60_000.0
PLAYED = """video => new Promise((played, failed) => {
  video.ontimeupdate = () => video.currentTime > 0.2 && played(video.currentTime);
  video.play().catch(failed);
})"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running("sandbox", tmp_path_factory.mktemp("engine"), "--delay", "2", "--key", ENGINE_KEY) as engine:
        yield engine


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with Running("serve", tmp_path_factory.mktemp("new"), "--sandbox-delay", "1") as server:
        yield Panel(server.url)


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, started: Panel) -> AsyncIterator[Page]:
    watched = Watched(chromium, started)
    yield await watched.open("/admin/", anonymous=True)
    await watched.close()
    assert watched.faults == []


async def test_a_newcomer_finishes_in_the_browser_alone(page: Page, started: Panel, engine: Running):
    await logs_in_with_what_the_page_tells(page)
    await chooses_a_password(page)
    await makes_a_video_and_sees_it_played(page)
    await makes_a_storyboard(page)
    await sees_how_it_went(page)
    await connects_an_engine(page, engine)
    key = await makes_a_key(page)
    calls_with(key, started)
    await sees_the_call_in_the_log(page)
    await looks_at_everything(page)


async def logs_in_with_what_the_page_tells(page: Page) -> None:
    name, password = await page.get_by_text("First start:").locator("code").all_inner_texts()
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def chooses_a_password(page: Page) -> None:
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_label("Once more").fill(PASSWORD)
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.get_by_role("heading", name="The sandbox answers")).to_be_visible()


async def makes_a_video_and_sees_it_played(page: Page) -> None:
    await go_to(page, "Studio")
    await page.get_by_label("Prompt").fill("A paper boat crosses a lake at dawn")
    await asks_for_little(page)
    await page.get_by_role("button", name="Make it").click()

    video = result(page, "A paper boat crosses a lake at dawn").locator("video")
    await expect(video).to_be_visible(timeout=MADE)
    assert await video.evaluate(PLAYED) > 0.2
    await page.reload()


async def makes_a_storyboard(page: Page) -> None:
    await page.get_by_label("Prompt").fill(SHOTS[0])
    await asks_for_little(page)
    await page.get_by_role("button", name="Storyboard").click()
    await page.get_by_role("button", name="Add a shot").click()
    for number, text in enumerate(SHOTS, start=1):
        await page.get_by_label(f"Shot {number}: What it shows").fill(text)
        await page.get_by_label(f"Shot {number}: Seconds").fill("1")
    await expect(page.get_by_text("Shots: 3")).to_be_visible()
    await page.get_by_role("button", name="Make it").click()

    made = result(page, SHOTS[2])
    await expect(made.locator("video")).to_be_visible(timeout=MADE)
    await expect(made).to_contain_text("storyboard")
    assert await made.locator("video").evaluate(PLAYED) > 0.2
    assert round(await made.locator("video").evaluate("video => video.duration")) == len(SHOTS)
    await picture(page, "studio", height=1180)


async def sees_how_it_went(page: Page) -> None:
    await page.get_by_role("link", name="Details").click()
    await expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()
    await picture(page, "job")


async def connects_an_engine(page: Page, engine: Running) -> None:
    await go_to(page, "Overview")
    await page.get_by_role("link", name="Connect an engine").click()
    await arrives(page, "Which engine is it?")
    await page.get_by_role("link", name="sora2api sandbox").click()
    await arrives(page, "Where is sora2api sandbox?")
    await page.get_by_role("textbox", name="URL").fill(f"{engine.url}/v1")
    await page.get_by_label(re.compile(r"^\s*Token")).fill(ENGINE_KEY)
    await page.get_by_role("textbox", name=re.compile("^Name")).fill("Engine of my own")
    await page.get_by_role("button", name="Test").click()
    await expect(page.get_by_text("answers in")).to_be_visible()
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_role("heading", name="Engine of my own is connected")).to_be_visible()


async def makes_a_key(page: Page) -> str:
    await go_to(page, "API keys")
    await page.get_by_role("link", name="Make a key").click()
    await page.get_by_role("textbox", name="Name").fill("My program")
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.get_by_text("it is not shown again")).to_be_visible()
    return await page.get_by_role("main").locator("pre").inner_text()


def calls_with(key: str, server: Panel) -> None:
    """What the newcomer's own program does; the engine begins to make it."""
    asked = {"model": "sora-2", "prompt": "A lighthouse in a storm", "size": "1280x720", "seconds": "4"}
    headers = {"Authorization": f"Bearer {key}"}
    reply = httpx2.post(f"{server.url}/v1/videos", json=asked, headers=headers, timeout=30, trust_env=False)
    assert reply.status_code == 200, reply.text


async def sees_the_call_in_the_log(page: Page) -> None:
    await go_to(page, "Requests")
    row = page.get_by_role("row", name="A lighthouse in a storm")
    await expect(row).to_contain_text("My program")
    await row.get_by_role("link", name="POST /v1/videos").click()
    await expect(page.get_by_role("main")).to_contain_text("A lighthouse in a storm")


async def looks_at_everything(page: Page) -> None:
    """The overview, which the call above is seen on, by day and by night."""
    await go_to(page, "Overview")
    await expect(page.get_by_role("list").get_by_role("link", name="Engine of my own")).to_be_visible()
    await picture(page, "overview")
    await page.get_by_role("button", name="Dark").click()
    await expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    await picture(page, "overview-dark")


async def go_to(page: Page, section: str) -> None:
    await page.get_by_role("navigation", name="Panel").get_by_role("link", name=section, exact=True).click()
    await arrives(page, section)


async def arrives(page: Page, heading: str) -> None:
    """The page of that heading is there, its scripts too: nobody is as fast as to use it before."""
    await expect(page.get_by_role("heading", level=1, name=heading)).to_be_attached()
    await expect(page.locator("html.scripted")).to_be_attached()


async def asks_for_little(page: Page) -> None:
    await page.get_by_label("Model").select_option("sora-video")
    await page.get_by_label("Size").fill("640x360")
    await page.get_by_role("spinbutton", name="Seconds", exact=True).fill("2")


def result(page: Page, words: str) -> Locator:
    return page.get_by_role("region", name=words)
