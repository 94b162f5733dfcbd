"""Share pages: a hint how to remix, words in the reader's language, and who may find them."""

import msgspec
import pytest

from sora2api.web import keys

SHARE = "s_0123456789abcdef0123456789abcdef"


@pytest.fixture
def shared(server):
    server.shared[SHARE] = keys.SharedVideo(
        title="A paper boat",
        model="sora-2",
        video="/m/token/boat.mp4",
        poster=None,
        width=1280,
        height=720,
        seconds=4.0,
    )
    return f"/p/{SHARE}"


async def test_a_shared_video_can_be_made_something_of_by_its_id(browser, shared):
    assert f"<code>{SHARE} " in (await browser.get(shared)).text


async def test_only_a_public_video_is_for_search_engines(browser, server, shared):
    by_link = await browser.get(shared)
    server.settings = msgspec.structs.replace(server.settings, share="public")
    public = await browser.get(shared)

    assert 'content="noindex"' in by_link.text
    assert public.status == 200
    assert "noindex" not in public.text
