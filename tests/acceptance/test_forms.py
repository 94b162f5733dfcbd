"""How a reply shows a video, by setting."""

import pytest


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("html", '\n<video controls src="{url}">\n{url}\n</video>\n'),
        ("predecessor", "```html\n<video src='{url}' controls></video>\n```"),
    ],
    ids=["html", "predecessor"],
)
def test_a_video_is_shown_in_the_form_that_is_set(serve, form, text):
    reply = serve("--chat-video", form).stream("a hill")

    assert [text.format(url=reply.outcome["assets"][0]["url"])] == reply.said("content")


def test_links_begin_with_the_public_url(serve):
    made = serve("--public-url", "https://video.example.org/").stream("a hill").outcome

    assert made["assets"][0]["url"].startswith("https://video.example.org/m/")
    assert made["share_url"].startswith("https://video.example.org/p/s_")


def test_links_begin_as_the_client_called(server):
    port = server.url.rpartition(":")[2]
    with server.client("han1234") as client:
        reply = client.post(
            f"http://localhost:{port}/v1/chat/completions",
            json={"model": "sora-image", "messages": [{"role": "user", "content": "a hill"}]},
        )

    assert reply.json()["sora2api"]["assets"][0]["url"].startswith(f"http://localhost:{port}/m/")
