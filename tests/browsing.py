"""The panel in a real Chromium: pages that are logged in, and watched."""

import shutil
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from playwright.async_api import Browser, BrowserContext, Page, expect

CHROMIUM: Final = shutil.which("chromium")
OPTIONS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD: Final = "a boat on the lake"
KEY: Final = "han1234"
SMALL: Final = {"model": "sora-video", "size": "160x96", "seconds": 1}
SLOW: Final = 30_000.0


expect.set_options(timeout=SLOW)

Open = Callable[..., Awaitable[Page]]


class Panel:
    """A server, and what a browser keeps of a login to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.login: Any = None

    def chat(self, prompt: str, **fields: Any) -> httpx2.Response:
        """Have a small video made, and wait for it."""
        body = {"messages": [{"role": "user", "content": prompt}], **SMALL, **fields}
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx2.post(f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=60)


class Watched:
    """Pages of one browser, each watched: an error in the console, or a request to another host, is a fault."""

    def __init__(self, browser: Browser, panel: Panel) -> None:
        self._browser = browser
        self._panel = panel
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ()
        """What a console may say, because the test provokes it."""

    async def open(
        self, path: str, *, width: int = 1280, theme: str = "light", language: str = "en", anonymous: bool = False
    ) -> Page:
        context = await self._browser.new_context(
            viewport={"width": width, "height": 800}, storage_state=None if anonymous else self._panel.login
        )
        self._contexts.append(context)
        context.set_default_timeout(SLOW)
        chosen = {"sora2api_theme": ("/admin/", theme), "sora2api_language": ("/", language)}
        await context.add_cookies(
            [{"name": name, "value": value, "url": self._panel.url + at} for name, (at, value) in chosen.items()]
        )
        page = await context.new_page()
        self._watch(page)
        await page.goto(self._panel.url + path)
        return page

    async def beside(self, page: Page, path: str) -> Page:
        """Another tab of the same browser."""
        tab = await page.context.new_page()
        self._watch(tab)
        await tab.goto(self._panel.url + path)
        return tab

    def _watch(self, page: Page) -> None:
        host = urlsplit(self._panel.url).netloc
        page.on("console", lambda said: said.type == "error" and self._fault(said.text))
        page.on("pageerror", lambda error: self._fault(str(error)))
        page.on("request", lambda asked: self._asked(urlsplit(asked.url), host))

    def _asked(self, address: Any, host: str) -> None:
        if address.scheme not in ("data", "blob") and address.netloc != host:
            self._fault(f"a request to {address.netloc}")

    def _fault(self, text: str) -> None:
        if not any(part in text for part in self.expected):
            self.faults.append(text)

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()


async def settle_in(browser: Browser, panel: Panel) -> None:
    """The first login to a *panel*; its pages are logged in from then on."""
    context = await browser.new_context()
    page = await context.new_page()
    await log_in(page, panel.url)
    panel.login = await context.storage_state()
    await context.close()


async def log_in(page: Page, url: str) -> None:
    """The first login, with the new password that it asks for."""
    await page.goto(f"{url}/admin/")
    await page.fill("[name=username]", "admin")
    await page.fill("[name=password]", "admin")
    await page.click("button.primary")
    await page.fill("[name=password]", PASSWORD)
    await page.fill("[name=again]", PASSWORD)
    await page.click("button.primary")
    await page.wait_for_selector("nav.side")
