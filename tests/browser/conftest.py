"""A server, a Chromium, and pages of the one in the other."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from browsing import CHROMIUM, OPTIONS, Open, Panel, Watched, settle_in
from playwright.async_api import Browser, async_playwright
from pytest_asyncio import is_async_test
from running import Running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that happens in the browser happens in one loop."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with Running("serve", tmp_path_factory.mktemp("panel")) as server:
        yield Panel(server.url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def panel(chromium: Browser, served: Panel) -> Panel:
    """The server, with its first login behind it."""
    await settle_in(chromium, served)
    return served


@pytest_asyncio.fixture(loop_scope="session")
async def pages(chromium: Browser, panel: Panel) -> AsyncIterator[Watched]:
    watched = Watched(chromium, panel)
    yield watched
    await watched.close()
    assert watched.faults == []


@pytest.fixture
def open_page(pages: Watched) -> Open:
    """Opens a path of the panel, logged in: `await open_page("/admin/", width=380, theme="dark")`."""
    return pages.open
