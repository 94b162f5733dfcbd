"""The conformance list, 11 to 30: creating a video."""

import io
import json
import re

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError
from PIL import Image
from ways.films import distance
from ways.films import film as decoded

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

KEYS = {
    "id": str,
    "object": str,
    "model": str,
    "status": str,
    "progress": int,
    "created_at": int,
    "completed_at": int | None,
    "expires_at": int | None,
    "error": dict | None,
    "prompt": str,
    "size": str,
    "seconds": str,
    "remixed_from_video_id": str | None,
}
UPLOAD = 1_000_000
AS_JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def options(plugins):
    return ("--sandbox-delay", "0", "--upload-limit", str(UPLOAD), "--plugins-folder", str(plugins))


@pytest.fixture(scope="module")
def begins_on(ask, picture):
    """Whether a video begins on the picture."""

    def looked(video):
        assert ask(lambda client: client.videos.poll(video.id, poll_interval_ms=30)).status == "completed"
        content = ask(lambda client: client.videos.download_content(video.id)).content
        return distance(decoded(content).frames[0], Image.open(io.BytesIO(picture[1])).convert("RGB")) < 0.1

    return looked


def refused(ask, **fields):
    """The error to a create."""
    with pytest.raises(BadRequestError) as error:
        ask(lambda client: client.videos.create(**fields))
    assert error.value.response.headers["x-should-retry"] == "false"
    return error.value


def test_11_a_form_without_a_file_is_taken(ask):
    video = ask(lambda client: client.videos.create(prompt="a slow cat"))

    assert (video.model, video.size, video.seconds, video.status) == ("sora-2", "720x1280", "4", "queued")
    ask(lambda client: client.videos.delete(video.id))


def test_13_a_picture_arrives_as_it_was_sent(ask, small, picture, begins_on):
    assert begins_on(ask(lambda client: client.videos.create(prompt="the sea", input_reference=picture, **small)))


def test_14_a_reference_by_a_data_url_in_a_form_is_honoured(ask, small, data_url, begins_on):
    reference = {"input_reference": {"image_url": data_url}}

    assert begins_on(ask(lambda client: client.videos.create(prompt="the sea", extra_body=reference, **small)))


def test_16_a_body_in_json_is_taken(ask, small, data_url, begins_on):
    fields = small | {"extra_body": {"input_reference": {"image_url": data_url}}, "extra_headers": AS_JSON}

    assert begins_on(ask(lambda client: client.videos.create(prompt="the sea", **fields)))


def test_17_a_reference_by_a_file_id_is_honoured_and_an_unknown_one_refused(ask, small, picture, begins_on):
    file = ask(lambda client: client.files.create(file=picture, purpose="vision"))

    def fields(name):
        reference = {"input_reference": {"file_id": name}}
        return small | {"prompt": "the sea", "extra_body": reference, "extra_headers": AS_JSON}

    assert begins_on(ask(lambda client: client.videos.create(**fields(file.id))))
    assert refused(ask, **fields("file-unknown")).param == "input_reference"


def test_18_a_reference_by_both_is_refused(ask, small, data_url):
    both = {"input_reference": {"image_url": data_url, "file_id": "file-x"}}

    assert refused(ask, prompt="the sea", extra_body=both, **small).param == "input_reference"


@pytest.mark.parametrize("headers", [{}, AS_JSON], ids=["form", "json"])
def test_19_a_prompt_must_be_there(ask, http, headers):
    assert refused(ask, prompt="", extra_headers=headers).param == "prompt"
    assert http.post("/v1/videos", json={"model": "sora-2"}).json()["error"]["param"] == "prompt"


def test_20_a_prompt_may_have_32000_characters_and_no_more(ask, small):
    assert refused(ask, prompt="x" * 32_001, **small).param == "prompt"
    video = ask(lambda client: client.videos.create(prompt="x" * 32_000, **small))
    assert len(video.prompt) == 32_000


def test_21_an_unknown_model_is_not_found_and_not_asked_for_again(ask):
    with pytest.raises(NotFoundError) as unknown:
        ask(lambda client: client.videos.create(prompt="a cat", model="sora-9"))

    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert unknown.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(("given", "told"), [("5", "5"), (5, "5"), ("5.0", "5"), (1.5, "1.5")])
@pytest.mark.parametrize("headers", [{}, AS_JSON], ids=["form", "json"])
def test_22_seconds_may_be_text_or_a_number(ask, given, told, headers):
    fields = {"model": "sora-video", "size": "64x64", "extra_headers": headers}

    video = ask(lambda client: client.videos.create(prompt="a cat", seconds=given, **fields))

    assert video.seconds == told
    ask(lambda client: client.videos.delete(video.id))


@pytest.mark.parametrize("seconds", ["abc", "0", "-1", "nan", "100000"])
def test_22_seconds_that_cannot_be_are_refused(ask, seconds):
    assert refused(ask, prompt="a cat", seconds=seconds).param == "seconds"


def test_23_a_size_is_taken_where_the_model_makes_it(ask):
    video = ask(lambda client: client.videos.create(prompt="a cat", model="sora-video", seconds="1", size="832x480"))

    assert video.size == "832x480"
    ask(lambda client: client.videos.delete(video.id))
    for model, size in (("sora-2", "832x480"), ("sora-video", "axb")):
        assert refused(ask, prompt="a cat", model=model, size=size).param == "size"


def test_24_fields_beside_the_documented_keep_their_types_in_a_form(ask, http, small):
    fields = {"num_frames": 81, "flag": True, "tags": ["a", "b"], "meta": {"a": 1}}

    video = ask(lambda client: client.videos.create(prompt="a cat", extra_body=fields | {"mode": "echo"}, **small))

    events = http.get(f"/v1/videos/{video.id}/events").text.splitlines()
    notes = [json.loads(line[6:]) for line in events if '"note"' in line and line.startswith("data: ")]
    assert json.loads(notes[0]["text"]) == fields


def test_25_an_upload_that_is_too_large_is_told_so(ask, small):
    fields = small | {"prompt": "the sea", "input_reference": ("a.png", bytes(20 * UPLOAD), "image/png")}

    with pytest.raises(APIStatusError) as error:
        ask(lambda client: client.videos.create(**fields))

    assert (error.value.status_code, error.value.code) == (413, "request_too_large")


def test_26_an_upload_that_is_no_picture_is_refused(ask, small, film):
    for data in (("a.png", b"I am no picture", "image/png"), film):
        assert refused(ask, prompt="the sea", input_reference=data, **small).param == "input_reference"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b""),
        ("application/json", b"\xff"),
        ("multipart/form-data; boundary=x", b"--y\r\nnonsense"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na cat'),
        ("multipart/form-data", b"--x--\r\n"),
    ],
)
def test_27_a_damaged_body_is_the_clients_fault(http, envelope, kind, body):
    envelope(http.post("/v1/videos", content=body, headers={"Content-Type": kind}), 400)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "169.254.169.254", "2130706433"])
def test_28_a_link_to_somewhere_private_is_refused(ask, small, host):
    reference = {"input_reference": {"image_url": f"http://{host}:9/a.png"}}

    error = refused(ask, prompt="the sea", extra_body=reference, **small)

    assert (error.code, error.param) == ("link_refused", "input_reference")


def test_29_a_video_has_all_13_keys_in_their_types(ask, http, small):
    video = ask.made(**small)

    for shown in (ask(lambda client: client.videos.create(prompt="a cat", **small)).to_dict(), _shown(http, video.id)):
        for key, kind in KEYS.items():
            assert isinstance(shown[key], kind), key
            assert not isinstance(shown[key], bool), key


def _shown(http, video_id):
    return http.get(f"/v1/videos/{video_id}").json()


def test_30_an_id_can_stand_in_a_url(ask, small):
    video = ask(lambda client: client.videos.create(prompt="a cat", **small))

    assert re.fullmatch("video_[A-Za-z0-9_-]+", video.id)
