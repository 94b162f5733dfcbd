"""OpenAI's own SDK, unchanged, is served."""

import base64
from io import BytesIO

import pytest
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, NotFoundError
from PIL import Image


@pytest.fixture
async def openai(shared):
    async with AsyncOpenAI(base_url=f"{shared.url}/v1", api_key="sk-sandbox", max_retries=0) as client:
        yield client


@pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")
async def test_videos_are_made_polled_listed_fetched_remixed_and_deleted(openai, photo_bytes):
    video = await openai.videos.create_and_poll(
        prompt="by the SDK",
        input_reference=("photo.png", photo_bytes, "image/png"),
        extra_body={"size": "64x64", "seconds": "0.5"},
        poll_interval_ms=30,
    )
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "0.5", "64x64")

    remixed = await openai.videos.poll(
        (await openai.videos.remix(video.id, prompt="in winter")).id, poll_interval_ms=30
    )
    assert (video.id, "completed") == (remixed.remixed_from_video_id, remixed.status)

    extended = await openai.post(
        "/videos/extensions", body={"video": {"id": video.id}, "prompt": "on", "seconds": "0.5"}, cast_to=type(video)
    )
    assert extended.seconds == "1"

    listed = [one.id async for one in openai.videos.list(limit=1)]
    assert [extended.id, remixed.id, video.id] == listed[:3]
    assert len(listed) == len(set(listed))

    content = await openai.videos.download_content(video.id)
    assert content.content[4:8] == b"ftyp"
    character = await openai.videos.create_character(name="mia", video=("mia.mp4", content.content, "video/mp4"))
    assert (await openai.videos.get_character(character.id)).name == "mia"

    assert (await openai.videos.delete(video.id)).deleted
    with pytest.raises(NotFoundError):
        await openai.videos.retrieve(video.id)


async def test_pictures_are_made_and_edited(openai, photo_bytes):
    made = await openai.images.generate(prompt="by the SDK", size="256x256", model="sandbox-image")
    edited = await openai.images.edit(image=[("a.png", photo_bytes), ("b.png", photo_bytes)], prompt="changed")

    for reply, size in ((made, (256, 256)), (edited, (320, 240))):
        assert size == Image.open(BytesIO(base64.b64decode(reply.data[0].b64_json))).size


async def test_errors_arrive_as_the_sdks_own(openai, shared):
    with pytest.raises(BadRequestError) as refused:
        await openai.images.generate(prompt="[refuse]")
    assert refused.value.code == "moderation_blocked"
    with pytest.raises(AuthenticationError):
        await openai.with_options(api_key="wrong").models.list()
