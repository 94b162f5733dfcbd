"""How a reply shows a video, by setting."""


def test_a_video_may_be_shown_as_html_by_a_public_address(otherwise):
    reply = otherwise.stream("a hill")

    url = reply.outcome["assets"][0]["url"]
    assert url.startswith("https://video.example.org/m/")
    assert url.endswith(".mp4")
    assert reply.outcome["share_url"].startswith("https://video.example.org/p/s_")
    assert reply.said("content") == [f'\n<video controls src="{url}">\n{url}\n</video>\n']


def test_a_video_may_be_shown_as_the_predecessor_did(serve):
    reply = serve("--chat-video", "predecessor").stream("a hill")

    url = reply.outcome["assets"][0]["url"]
    assert reply.said("content") == [f"```html\n<video src='{url}' controls></video>\n```"]


def test_links_begin_as_the_client_called(server):
    port = server.url.rpartition(":")[2]
    with server.client("han1234") as client:
        reply = client.post(
            f"http://localhost:{port}/v1/chat/completions",
            json={"model": "sora-image", "messages": [{"role": "user", "content": "a hill"}]},
        )

    assert reply.json()["sora2api"]["assets"][0]["url"].startswith(f"http://localhost:{port}/m/")
