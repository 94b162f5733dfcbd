"""The studio in a browser: words understood while they are typed, shots moved, what is made shown without a reload."""

from browsing import Open
from playwright.async_api import Page, expect

STORYBOARD = "At dawn {anime}\n[1s] a cat wakes\n[1.5s] it yawns\n[2s] it looks out"


def shot(page: Page, number: int):
    return page.get_by_label(f"Shot {number}: What it shows")


async def test_a_storyboard_is_ordered_by_keys_by_hand_and_by_words(open_page: Open):
    page = await open_page("/admin/studio")

    await page.fill("#prompt", STORYBOARD)
    await expect(page.locator("#understood")).to_contain_text("Shots: 3")
    await expect(page.locator("#understood")).to_contain_text("anime style")
    await expect(page.locator("#total")).to_contain_text("4.5 /")
    await shot(page, 3).press("Alt+ArrowUp")
    await expect(shot(page, 2)).to_have_value("it looks out")
    await page.locator("#board li header").nth(0).drag_to(page.locator("#board li").nth(2))
    await expect(shot(page, 3)).to_have_value("a cat wakes")
    await page.get_by_label("Shot 1: Seconds").fill("2.5")

    await expect(page.locator("#prompt")).to_have_value(
        "At dawn {anime}\n[2.5s] it looks out\n[1.5s] it yawns\n[1s] a cat wakes"
    )
    await expect(page.locator("#total")).to_contain_text("5 /")


async def test_what_is_made_comes_into_the_page_by_itself_and_can_be_remixed(open_page: Open):
    page = await open_page("/admin/studio")
    await page.fill("#prompt", "A kite over the sea")
    await page.select_option("[name=model]", "sora-video")
    await page.fill("[name=size]", "160x96")
    await page.fill("[name=seconds]", "1")
    await page.evaluate("window.stayed = true")

    await page.click("button.primary")
    await expect(page.locator(".result video")).to_be_visible(timeout=60_000)
    await expect(page.locator("#prompt")).to_have_value("A kite over the sea")
    await page.click(".result a:has-text('Remix')")
    await expect(page.locator("#source")).to_contain_text("A kite over the sea")

    await expect(page.locator("#prompt")).to_have_value("")
    assert await page.evaluate("window.stayed")


async def test_a_picture_that_is_dropped_goes_along_and_code_follows_the_words(open_page: Open):
    page = await open_page("/admin/studio")
    await page.evaluate(
        """() => {
          const dropped = new DataTransfer();
          dropped.items.add(new File([new Uint8Array(8)], "cat.png", { type: "image/png" }));
          for (const name of ["dragover", "drop"]) {
            document.getElementById("prompt").dispatchEvent(
              new DragEvent(name, { dataTransfer: dropped, bubbles: true, cancelable: true }));
          }
        }"""
    )
    await page.fill("#prompt", "it yawns")
    await page.click("text=Show as code")
    await expect(page.locator("#code pre").first).to_contain_text('input_reference=@"cat.png"')

    await page.fill("#prompt", "it sleeps")

    await expect(page.locator("#code pre").first).to_contain_text("prompt=it sleeps")
