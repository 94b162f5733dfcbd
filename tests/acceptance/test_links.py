"""A link in a reply: a file that anybody may fetch as browsers and players do."""

import httpx2
import pytest


@pytest.fixture(scope="module")
def link(server):
    return server.stream("a kite").outcome["assets"][0]["url"]


@pytest.fixture(scope="module")
def whole(link):
    return httpx2.get(link)


def test_it_needs_no_key_and_says_what_it_is(link, whole):
    assert link.endswith(".mp4")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert ("bytes", str(len(whole.content))) == (whole.headers["accept-ranges"], whole.headers["content-length"])
    assert whole.headers["x-request-id"]
    assert whole.headers["x-content-type-options"] == "nosniff"


def test_a_head_request_gets_the_same_headers_and_no_file(link, whole):
    head = httpx2.head(link)

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert whole.headers[name] == head.headers[name]


@pytest.mark.parametrize(
    ("asked", "begin", "end"), [("bytes=0-99", 0, 100), ("bytes=500-", 500, None), ("bytes=-50", -50, None)]
)
def test_a_range_of_it_can_be_had(link, whole, asked, begin, end):
    part = httpx2.get(link, headers={"Range": asked})

    assert (206, whole.content[begin:end]) == (part.status_code, part.content)
    assert part.headers["content-range"].endswith(f"/{len(whole.content)}")


def test_a_range_beyond_its_end_is_refused(link, whole):
    beyond = httpx2.get(link, headers={"Range": f"bytes={len(whole.content)}-"})

    assert (416, f"bytes */{len(whole.content)}") == (beyond.status_code, beyond.headers["content-range"])


def test_it_is_not_sent_to_those_who_have_it(link, whole):
    known = httpx2.get(link, headers={"If-None-Match": whole.headers["etag"]})

    assert (known.status_code, known.content) == (304, b"")


def test_a_range_is_sent_only_of_the_file_that_was_begun(link, whole):
    same = httpx2.get(link, headers={"Range": "bytes=0-9", "If-Range": whole.headers["last-modified"]})
    other = httpx2.get(link, headers={"Range": "bytes=0-9", "If-Range": "Thu, 01 Jan 1970 00:00:00 GMT"})

    assert (same.status_code, len(same.content)) == (206, 10)
    assert (200, whole.content) == (other.status_code, other.content)


def test_the_content_of_a_video_is_the_same_file(server, link, whole):
    (job,) = server.rows("select id from jobs order by created_at desc limit 1")[0]
    path = f"/v1/videos/{job}/content"

    assert whole.content == server.http.get(path).content
    assert (206, whole.content[:9]) == (
        (part := server.http.get(path, headers={"Range": "bytes=0-8"})).status_code,
        part.content,
    )
    assert server.http.head(path).headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize("end", ["", "aa", "%ff%00", "é"])
def test_a_link_that_was_not_given_out_leads_nowhere(link, refused, end):
    base, token, file = link.rsplit("/", 2)

    refused(httpx2.get(f"{base}/{token[:-2]}{end}/{file}"), 404, "not_found")
    refused(httpx2.get(f"{base}/{token}/asset_{'0' * 32}.mp4"), 404, "not_found")
