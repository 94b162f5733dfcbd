"""Files are kept as they came, for their owner alone and for a time, and stand wherever a picture or video can."""

import base64
import io
from typing import Any

import av
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from PIL import Image
from ways.films import clip_of, distance, film, photo

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

PHOTO = photo((160, 96), ("#d8d2c4", "#3d6b35", "#c9412b"))
FILM = clip_of(PHOTO)
PICTURE = ("sea view.png", PHOTO, "image/png")
SMALL = {"model": "sora-video", "size": "160x96", "seconds": "1"}
UNKNOWN = "file-" + "0" * 32
MONTH = 30 * 86400


@pytest.fixture
def file(client) -> str:
    return client.files.create(file=PICTURE, purpose="vision").id


@pytest.mark.parametrize(
    ("purpose", "name", "data"), [("vision", "sea view.png", PHOTO), ("user_data", "Wellen 波.mp4", FILM)]
)
def test_a_file_comes_back_as_it_was_sent(client, purpose, name, data):
    made = client.files.create(file=(name, data), purpose=purpose)

    assert made == client.files.retrieve(made.id)
    assert (made.object, made.purpose, made.filename, made.bytes) == ("file", purpose, name, len(data))
    assert (made.status, made.expires_at - made.created_at) == ("processed", MONTH)
    assert client.files.content(made.id).content == data
    assert client.files.wait_for_processing(made.id).id == made.id


def test_a_part_of_a_file_can_be_read(client, file):
    part = client.files.with_raw_response.content(file, extra_headers={"Range": "bytes=1-3"})

    assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"PNG", "image/png")


def test_the_client_says_how_long_a_file_is_kept(client):
    made = client.files.create(file=PICTURE, purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600})

    assert made.expires_at - made.created_at == 3600


@pytest.mark.parametrize("policy", [{"anchor": "created_at", "seconds": 60}, {"anchor": "last_use", "seconds": 3600}])
def test_a_lifetime_that_cannot_be_is_refused(client, policy):
    with pytest.raises(BadRequestError) as refused:
        client.files.create(file=PICTURE, purpose="vision", expires_after=policy)

    assert refused.value.param.startswith("expires_after.")


def test_files_are_listed_by_time_in_pages(other):
    made = [other.files.create(file=PICTURE, purpose=purpose).id for purpose in ("vision", "user_data", "vision")]

    assert [file.id for file in other.files.list(limit=1)] == made[::-1]
    assert [file.id for file in other.files.list(limit=2, order="asc")] == made
    assert [file.id for file in other.files.list(purpose="user_data")] == [made[1]]
    assert [file.id for file in other.files.list(after=made[1])] == [made[0]]
    with pytest.raises(NotFoundError) as unknown:
        other.files.list(after=UNKNOWN)
    assert unknown.value.param == "after"
    for limit in (0, 10_001):
        with pytest.raises(BadRequestError) as refused:
            other.files.list(limit=limit)
        assert refused.value.param == "limit"


def test_a_deleted_file_is_gone(client, file):
    deleted = client.files.delete(file)

    assert (deleted.id, deleted.object, deleted.deleted) == (file, "file", True)
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError):
            ask(file)


def test_the_same_file_twice_is_two_files(client):
    first, second = (client.files.create(file=PICTURE, purpose="vision").id for _ in range(2))

    client.files.delete(first)

    assert client.files.content(second).content == PHOTO


def test_a_file_is_its_owners_alone(client, other, file):
    for ask in (other.files.retrieve, other.files.content, other.files.delete):
        with pytest.raises(NotFoundError):
            ask(file)
    assert file not in [one.id for one in other.files.list()]
    with pytest.raises(BadRequestError):
        other.images.generate(prompt="a hill", extra_body={"images": [{"file_id": file}]})
    assert client.files.retrieve(file).id == file


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"file": ("a.png", b"I am no picture"), "purpose": "vision"}, "file"),
        ({"file": ("a.png", PHOTO[:60]), "purpose": "vision"}, "file"),
        ({"file": ("a.png", b""), "purpose": "vision"}, "file"),
        ({"file": PICTURE, "purpose": "fine-tune"}, "purpose"),
        ({"file": PICTURE, "purpose": ""}, "purpose"),
    ],
)
def test_what_is_no_picture_or_video_or_for_another_purpose_is_refused(client, fields, param):
    before = [file.id for file in client.files.list()]

    with pytest.raises(BadRequestError) as refused:
        client.files.create(**fields)

    assert refused.value.param == param
    assert [file.id for file in client.files.list()] == before


# By its id.


def _done(client: OpenAI, video: Any) -> bytes:
    made = client.videos.poll(video.id, poll_interval_ms=30)
    assert made.status == "completed", made.error
    return client.videos.download_content(made.id).content


def test_a_video_begins_on_a_file_in_json_and_in_a_form(client, file):
    reference = {"input_reference": {"file_id": file}}
    form = client.videos.create(prompt="the sea", extra_body=SMALL | reference)
    json = client.post("/videos", body={"prompt": "the sea"} | SMALL | reference, cast_to=type(form))
    client.files.delete(file)

    for video in (form, json):
        assert distance(film(_done(client, video)).frames[0], Image.open(io.BytesIO(PHOTO)).convert("RGB")) < 0.1


def test_an_image_is_an_edit_of_a_file(client, file):
    body = {"prompt": "at night", "images": [{"file_id": file}], "mask": {"file_id": file}, "size": "160x96"}
    made = client.post("/images/edits", body=body, cast_to=object)

    picture = Image.open(io.BytesIO(base64.b64decode(made["data"][0]["b64_json"]))).convert("RGB")
    plain = client.images.generate(prompt="at night", size="160x96")
    other = Image.open(io.BytesIO(base64.b64decode(plain.data[0].b64_json))).convert("RGB")
    original = Image.open(io.BytesIO(PHOTO)).convert("RGB")
    assert 0 < distance(picture, original) < distance(other, original)


def _chat(client: OpenAI, words: str, file: dict[str, str], **fields: Any) -> Any:
    parts = [{"type": "text", "text": words}, {"type": "file", "file": file}]
    return client.chat.completions.create(
        messages=[{"role": "user", "content": parts}], model="sora-video", extra_body=fields
    )


@pytest.mark.parametrize("how", ["file_id", "file_data"])
def test_a_chat_takes_a_file_as_the_picture_that_it_is(client, file, how):
    data = f"data:image/png;base64,{base64.b64encode(PHOTO).decode()}"
    given = {"file_id": file} if how == "file_id" else {"filename": "sea.png", "file_data": data}
    said = _chat(client, "the sea", given, size="160x96", seconds=1)

    content = client.videos.download_content(said.model_extra["sora2api"]["job"]).content
    assert distance(film(content).frames[0], Image.open(io.BytesIO(PHOTO)).convert("RGB")) < 0.1


def test_a_chat_takes_a_file_as_the_video_that_it_is(client):
    file = client.files.create(file=("sea.mp4", FILM), purpose="user_data").id
    parts = [{"type": "file", "file": {"file_id": file}}]
    said = client.chat.completions.create(
        messages=[{"role": "user", "content": parts}], model="sora-video", extra_body={"username": "sea_view"}
    )

    assert "@sea_view" in said.choices[0].message.content


@pytest.mark.parametrize("file", [{}, {"file_id": UNKNOWN}, {"file_id": "a", "file_data": "b"}, {"file_data": "data:"}])
def test_a_chat_with_a_file_that_is_none_is_refused(client, file):
    with pytest.raises(BadRequestError) as refused:
        _chat(client, "the sea", file)

    assert refused.value.param == "messages"


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/videos", {"input_reference": {"file_id": UNKNOWN}}, "input_reference"),
        ("/videos", {"input_reference": {"file_id": UNKNOWN, "image_url": "data:"}}, "input_reference"),
        ("/videos", {"input_reference": {}}, "input_reference"),
        ("/images/edits", {"images": [{"file_id": UNKNOWN}]}, "images"),
        ("/images/generations", {"mask": {"file_id": UNKNOWN}}, "mask"),
    ],
)
def test_an_unknown_file_is_refused_by_the_name_of_its_field(client, path, fields, param):
    with pytest.raises(BadRequestError) as refused:
        client.post(path, body={"prompt": "the sea"} | fields, cast_to=object)

    assert refused.value.param == param


def test_a_video_file_is_no_picture(client):
    file = client.files.create(file=("sea.mp4", FILM), purpose="user_data").id

    with pytest.raises(BadRequestError) as refused:
        client.videos.create(prompt="the sea", extra_body=SMALL | {"input_reference": {"file_id": file}})

    assert refused.value.param == "input_reference"


async def test_the_async_client_keeps_files_too(server):
    async with AsyncOpenAI(api_key="han1234", base_url=f"{server.url}/v1") as client:
        made = await client.files.create(file=PICTURE, purpose="vision")
        assert (await client.files.content(made.id)).content == PHOTO
        assert made.id in [file.id async for file in client.files.list(limit=2)]
        assert (await client.files.delete(made.id)).deleted


# Videos that were not made here.


def test_an_uploaded_video_is_made_anew_with_a_change(client):
    edited = client.videos.edit(video=("sea.mp4", FILM), prompt="in winter", extra_body={"model": "sora-video"})
    content = _done(client, edited)

    assert edited.remixed_from_video_id is None
    with av.open(io.BytesIO(content)) as container:
        shown = container.streams.video[0]
        assert (shown.width, shown.height, float(shown.frames / shown.average_rate)) == (160, 96, 0.5)


def test_an_uploaded_video_is_gone_on_with(client):
    more = client.videos.extend(
        video=("sea.mp4", FILM), prompt="a gull comes", seconds="1", extra_body={"model": "sora-video"}
    )
    made = film(_done(client, more))

    assert made.seconds == pytest.approx(1.5, abs=0.1)
    assert distance(made.frames[0], Image.open(io.BytesIO(PHOTO)).convert("RGB")) < 0.1
    assert client.videos.retrieve(more.id).seconds == "1.5"


def test_a_model_with_sizes_of_its_own_changes_an_uploaded_video_in_the_one_most_like_it(client):
    edited = client.videos.edit(video=("sea.mp4", FILM), prompt="in winter", extra_body={"model": "sora-2"})

    assert edited.size == "1280x720"
    client.videos.delete(edited.id)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"video": ("sea.mp4", FILM), "prompt": "in winter"}, "model"),
        ({"video": PICTURE, "prompt": "in winter", "extra_body": {"model": "sora-video"}}, "video"),
        ({"video": ("sea.mp4", FILM), "prompt": "in winter", "extra_body": {"model": "sora-image"}}, "model"),
        ({"video": ("sea.mp4", b""), "prompt": "in winter", "extra_body": {"model": "sora-video"}}, "video"),
    ],
)
def test_an_upload_that_cannot_be_changed_is_refused(client, fields, param):
    with pytest.raises(BadRequestError) as refused:
        client.videos.edit(**fields)

    assert refused.value.param == param


def test_an_empty_file_beside_an_id_is_none(client):
    made = client.videos.create_and_poll(prompt="the sea", extra_body=SMALL, poll_interval_ms=30)

    more = client.videos.extend(
        video=("upload", b""), prompt="a gull comes", seconds="1", extra_body={"video": {"id": made.id}}
    )

    assert client.videos.poll(more.id, poll_interval_ms=30).seconds == "2"
