"""Pictures of the panel for the README and docs: taken where the environment says so, as small as they may be."""

import os
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.async_api import Page

FOLDER: Final = os.environ.get("SCREENSHOTS")
"""Where pictures go; without it none is taken."""


async def picture(page: Page, name: str, *, height: int = 800) -> None:
    """Write the top of *page*, so many pixels of it, as `panel-NAME.png`."""
    if FOLDER is None:
        return
    await page.mouse.move(0, 0)
    before = page.viewport_size
    await page.set_viewport_size({"width": before["width"], "height": height})
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    shot = await page.screenshot(animations="disabled")
    await page.set_viewport_size(before)
    with Image.open(BytesIO(shot)) as image:
        image.convert("RGB").save(Path(FOLDER) / f"panel-{name}.png", optimize=True)
