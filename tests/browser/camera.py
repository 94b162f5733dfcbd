"""Pictures of the panel for the README and docs: taken where the environment says so, as small as they may be."""

import os
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.async_api import Page

FOLDER: Final = os.environ.get("SORA2API_SCREENSHOTS")
"""Where pictures go; without it none is taken."""


async def picture(page: Page, name: str) -> None:
    """Write what *page* shows as `panel-NAME.png`, in 256 colours."""
    if FOLDER is None:
        return
    await page.mouse.move(0, 0)
    shot = await page.screenshot(animations="disabled")
    with Image.open(BytesIO(shot)) as image:
        drawn = image.convert("RGB").quantize(dither=Image.Dither.NONE)
    drawn.save(Path(FOLDER) / f"panel-{name}.png", optimize=True)
