"""The conformance list, 56 to 63: a video's files."""

import io
import time

import httpx2
import pytest
from openai import APIStatusError, BadRequestError
from PIL import Image
from running import Running
from ways.rigs import becomes

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")


@pytest.fixture(scope="module")
def video(http, small) -> str:
    """A video that is completed."""
    made = http.post("/v1/videos", json=small | {"prompt": "a cat"}, headers={"Prefer": "wait=60"}).json()
    assert made["status"] == "completed"
    return made["id"]


@pytest.mark.parametrize(
    ("variant", "kind", "form"), [("thumbnail", "image/webp", "WEBP"), ("spritesheet", "image/jpeg", "JPEG")]
)
def test_56_a_video_has_a_thumbnail_and_a_sprite_sheet(ask, video, variant, kind, form):
    content = ask(lambda client: client.videos.download_content(video, variant=variant))

    assert content.response.headers["content-type"] == kind
    assert Image.open(io.BytesIO(content.content)).format == form


def test_57_a_variant_that_there_is_not_is_refused(ask, video):
    with pytest.raises(BadRequestError) as refused:
        ask(lambda client: client.videos.download_content(video, variant="poster"))

    assert (refused.value.code, refused.value.param) == ("invalid_value", "variant")


def test_58_before_the_end_there_is_no_content_and_the_sdk_does_not_ask_again(ask, small):
    video = ask(lambda client: client.videos.create(prompt="a cat", model="sora-video", seconds="60"))

    with pytest.raises(BadRequestError) as refused:
        ask(lambda client: client.videos.download_content(video.id))

    assert refused.value.code == "video_not_ready"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"
    ask(lambda client: client.videos.delete(video.id))


@pytest.mark.slow
def test_59_what_has_expired_is_gone(tmp_path, small, ask_of):
    with (
        Running("serve", tmp_path / "data", "--sandbox-delay", "0", "--output-lifetime", "1") as server,
        ask_of(server, "sync") as ask,
    ):
        video = ask.made()
        assert becomes(lambda: time.time() > video.expires_at + 1)

        with pytest.raises(APIStatusError) as gone:
            ask(lambda client: client.videos.download_content(video.id))

    assert gone.value.status_code in (404, 410)


@pytest.mark.parametrize("path", ["/v1", "/openai/v1"])
def test_60_a_part_of_the_content_can_be_asked_for_and_its_head(http, video, path):
    where = f"{path}/videos/{video}/content"
    whole = http.get(where)
    length = len(whole.content)

    for asked, begin, end in ((f"bytes=0-{length // 2}", 0, length // 2), ("bytes=-5", length - 5, length - 1)):
        part = http.get(where, headers={"Range": asked})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {begin}-{end}/{length}"
        assert part.content == whole.content[begin : end + 1]
    head = http.head(where)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(length), b"")
    assert http.get(where, headers={"Range": f"bytes={length}-"}).status_code == 416


def test_60_a_part_is_sent_only_of_the_file_that_is_meant(http, video):
    where = f"/v1/videos/{video}/content"
    whole = http.get(where)

    for tag, status, content in ((whole.headers["etag"], 206, whole.content[:2]), ('"another"', 200, whole.content)):
        part = http.get(where, headers={"Range": "bytes=0-1", "If-Range": tag})
        assert (part.status_code, part.content) == (status, content)
        assert part.headers["x-request-id"]


def test_61_the_content_can_be_read_in_pieces(server, video, ask_of):
    with (
        ask_of(server, "sync") as ask,
        ask.client.videos.with_streaming_response.download_content(video) as reply,
    ):
        assert (
            b"".join(reply.iter_bytes(1024))
            == httpx2.get(
                f"{server.url}/v1/videos/{video}/content", headers={"Authorization": f"Bearer {ask.client.api_key}"}
            ).content
        )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["sync", "async"])
def test_63_the_content_may_be_a_redirect_to_a_link_that_needs_no_key(tmp_path, ask_of, how):
    options = ("--sandbox-delay", "0", "--content-redirect")
    with Running("serve", tmp_path / "data", *options) as server, ask_of(server, how) as ask:
        video = ask.made()
        content = ask(lambda client: client.videos.download_content(video.id))
        where = httpx2.get(
            f"{server.url}/v1/videos/{video.id}/content", headers={"Authorization": f"Bearer {ask.client.api_key}"}
        )
        link = where.headers["location"]
        played = httpx2.get(link)

    assert where.status_code == 302
    assert str(content.response.url) == link
    assert played.content == content.content
    assert played.headers["content-type"] == "video/mp4"
