"""The conformance list, 47 to 53: lists, a page at a time."""

from collections.abc import Iterator

import pytest
from openai import BadRequestError, NotFoundError
from running import Running

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    """One that nobody else asks for anything."""
    with Running("serve", tmp_path_factory.mktemp("lists") / "data", "--sandbox-delay", "0") as server:
        yield server


@pytest.fixture(scope="module")
def videos(http, small) -> list[str]:
    """The only three videos, the oldest first, made within one second or two."""
    empty = http.get("/v1/videos").json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    return [http.post("/v1/videos", json=small | {"prompt": "a cat"}).json()["id"] for _ in range(3)]


def test_47_the_newest_comes_first(ask, videos):
    assert [video.id for video in ask.all(lambda client: client.videos.list())] == videos[::-1]


def test_48_pages_of_one_give_each_video_once(ask, videos):
    assert [video.id for video in ask.all(lambda client: client.videos.list(limit=1))] == videos[::-1]


def test_49_the_oldest_may_come_first(ask, videos):
    assert [video.id for video in ask.all(lambda client: client.videos.list(order="asc", limit=2))] == videos


def test_50_a_cursor_that_is_unknown_is_not_found(ask):
    with pytest.raises(NotFoundError) as unknown:
        ask(lambda client: client.videos.list(after="video_unknown"))

    assert unknown.value.param == "after"


def test_51_each_page_says_its_ends_and_whether_more_follows(http, videos):
    first = http.get("/v1/videos?limit=2").json()
    last = http.get(f"/v1/videos?limit=2&after={first['last_id']}").json()
    beyond = http.get(f"/v1/videos?after={last['last_id']}").json()

    assert (first["first_id"], first["last_id"], first["has_more"]) == (videos[2], videos[1], True)
    assert (last["first_id"], last["last_id"], last["has_more"]) == (videos[0], videos[0], False)
    assert (beyond["data"], beyond["first_id"], beyond["last_id"], beyond["has_more"]) == ([], None, None, False)


def test_52_a_limit_is_from_0_to_100(ask, http, videos):
    assert ask(lambda client: client.videos.list(limit=0)).data == []
    assert len(ask(lambda client: client.videos.list(limit=100)).data) == 3
    for limit in (101, -1):
        with pytest.raises(BadRequestError) as refused:
            ask(lambda client, limit=limit: client.videos.list(limit=limit))
        assert refused.value.param == "limit"
    assert http.get("/v1/videos?limit=x").status_code == 400


def test_53_videos_of_the_same_second_have_an_order(http, videos):
    times = [video["created_at"] for video in http.get("/v1/videos").json()["data"]]
    assert len(set(times)) < 3, times

    asked = [[video["id"] for video in http.get(f"/v1/videos?limit={limit}").json()["data"]] for limit in (1, 2, 3)]

    assert asked == [videos[:-2:-1], videos[:-3:-1], videos[::-1]]
