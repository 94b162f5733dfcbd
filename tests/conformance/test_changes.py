"""The conformance list, 65 to 73: deleting, changing and going on with videos, and characters."""

import pytest
from openai import BadRequestError, NotFoundError
from running import Running
from ways.rigs import becomes

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

UNFINISHED = {"model": "sora-video", "seconds": "60", "prompt": "a long cat"}


@pytest.fixture(scope="module")
def source(http, small) -> str:
    """A video that is completed."""
    made = http.post("/v1/videos", json=small | {"prompt": "a cat"}, headers={"Prefer": "wait=60"}).json()
    assert made["status"] == "completed"
    return made["id"]


def ended(ask, video):
    """A video that has just been begun, when it is completed."""
    assert video.status == "queued"
    made = ask(lambda client: client.videos.poll(video.id, poll_interval_ms=30))
    assert made.status == "completed", made.error
    return made


def test_65_and_66_a_deleted_video_is_gone_with_its_content(ask):
    video = ask.made()

    deleted = ask(lambda client: client.videos.delete(video.id))

    assert (deleted.id, deleted.object, deleted.deleted) == (video.id, "video.deleted", True)
    for call in ("delete", "retrieve", "download_content"):
        with pytest.raises(NotFoundError):
            ask(lambda client, call=call: getattr(client.videos, call)(video.id))


@pytest.mark.slow
def test_67_a_running_video_that_is_deleted_leaves_its_place_to_the_next(tmp_path, small, ask_of):
    with (
        Running("serve", tmp_path / "data", "--sandbox-delay", "600") as server,
        ask_of(server, "sync") as ask,
    ):
        begun = [ask(lambda client: client.videos.create(prompt="a cat", **small)).id for _ in range(12)]

        def status(video):
            return ask(lambda client: client.videos.retrieve(video)).status

        assert becomes(lambda: status(begun[0]) == "in_progress")
        assert status(begun[-1]) == "queued"
        for video in begun[:-1]:
            ask(lambda client, video=video: client.videos.delete(video))
        assert becomes(lambda: status(begun[-1]) == "in_progress")


def test_68_a_remix_is_a_new_video_that_names_its_source(ask, source):
    remix = ended(ask, ask(lambda client: client.videos.remix(source, prompt="at night")))

    assert remix.remixed_from_video_id == source
    assert remix.id != source


def test_69_an_unfinished_video_cannot_be_remixed(ask):
    video = ask(lambda client: client.videos.create(**UNFINISHED))

    with pytest.raises(BadRequestError):
        ask(lambda client: client.videos.remix(video.id, prompt="at night"))

    ask(lambda client: client.videos.delete(video.id))


def test_70_an_edit_is_of_a_video_here_or_of_a_file(ask, http, source, film):
    given = {"video": {"id": source}, "prompt": "in winter"}
    begun = http.post("/v1/videos/edits", json=given).json()["id"]
    assert ask(lambda client: client.videos.poll(begun, poll_interval_ms=30)).status == "completed"
    parts = {"video[id]": (None, source), "prompt": (None, "in winter")}
    begun = http.post("/v1/videos/edits", files=parts).json()["id"]
    assert ask(lambda client: client.videos.poll(begun, poll_interval_ms=30)).status == "completed"

    model = {"model": "sora-video"}
    ended(ask, ask(lambda client: client.videos.edit(video=film, prompt="in winter", extra_body=model)))


def test_71_an_id_counts_and_an_empty_file_beside_it_does_not(ask, source):
    more = {"video": {"id": source}}

    video = ask(lambda client: client.videos.extend(video=("upload", b""), prompt="on", seconds="1", extra_body=more))

    assert ended(ask, video).seconds == "2"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_72_what_is_not_offered_is_a_400_that_the_sdk_does_not_repeat(ask, picture):
    with pytest.raises(BadRequestError) as refused:
        ask(lambda client: client.images.create_variation(image=picture))

    assert refused.value.code == "unsupported_feature"
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_73_a_character_is_made_and_found(ask, http, film):
    made = ask(lambda client: client.videos.create_character(name="Mossy", video=film))

    found = ask(lambda client: client.videos.get_character(made.id))

    assert found.id == made.id
    assert (found.name, type(found.created_at)) == ("Mossy", int)
    with pytest.raises(NotFoundError):
        ask(lambda client: client.videos.get_character("char_unknown"))
    assert http.get("/v1/videos/edits").status_code in (404, 405)
