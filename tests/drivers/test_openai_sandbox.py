"""The openai driver at the sandbox: all that a native way needs, over real HTTP."""

import asyncio
import io
import uuid
from datetime import UTC, datetime, timedelta

import aiohttp
import av
import pytest
from PIL import Image

from sora2api import errors
from sora2api.drivers import File, Work, WorkShot

SIZE = "320x192"


@pytest.fixture
def driver(sandbox, connect):
    return connect(sandbox)


@pytest.fixture
def picture(tmp_path) -> File:
    path = tmp_path / "picture"
    Image.new("RGB", (320, 192), "orange").save(path, "PNG")
    return File(path=path, content_type="image/png", name="picture.png")


def work(make, prompt="a red kite over dunes", **more) -> Work:
    model = "sandbox-image" if make == "image" else "sandbox-video"
    return Work(make=make, key=uuid.uuid4().hex, model=model, prompt=prompt, **{"size": SIZE, **more})


async def done(driver, state):
    async with asyncio.timeout(60):
        while state.status in {"queued", "in_progress"}:
            await asyncio.sleep(0.05)
            state = (await driver.poll([state.id]))[state.id]
    return state


async def made(driver, wanted):
    state = await done(driver, await driver.submit(wanted))
    assert state.error is None
    assert state.progress == 100
    return state


async def clip_of(driver, state) -> tuple[str, float]:
    data = b"".join([chunk async for chunk in driver.fetch(state, state.outputs[0])])
    with av.open(io.BytesIO(data)) as clip:
        video = clip.streams.video[0]
        return f"{video.width}x{video.height}", float(clip.duration) / 1e6


async def stats(sandbox) -> dict:
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox}/_sandbox/stats") as response:
        return await response.json()


@pytest.fixture
async def befall(sandbox):
    """Make the sandbox misbehave."""
    async with aiohttp.ClientSession() as session:

        async def told(**fault):
            async with session.post(f"{sandbox}/_sandbox/faults", json=[fault]) as response:
                assert response.status == 200, await response.text()

        yield told
        await session.delete(f"{sandbox}/_sandbox/faults")


async def test_the_sandbox_tells_itself_what_its_models_can_do(driver):
    models = {model.name: model.capabilities for model in await driver.check()}

    assert models["sandbox-image"] == {"image", "image_edit", "mask"}
    assert models["sandbox-video"] >= {"clip", "first_frame", "remix", "edit", "extend", "characters", "shots", "list"}


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
async def test_the_base_url_may_end_as_it_likes(sandbox, connect, ending):
    assert await connect(sandbox + ending).check()


async def test_a_wrong_token_is_named_so(sandbox, connect):
    with pytest.raises(errors.AccountRejected):
        await connect(sandbox, token="sk-wrong").check()


async def test_images_come_with_their_bytes(driver):
    state = await driver.submit(work("image", n=2))

    assert [Image.open(io.BytesIO(output.data)).size for output in state.outputs] == [(320, 192)] * 2


async def test_an_image_asked_for_again_is_not_made_again(driver, sandbox):
    await driver.check()
    wanted = work("image", prompt="a kite, once")
    assert driver.repeatable(wanted)
    first = await driver.submit(wanted)
    before = (await stats(sandbox))["creates"]

    again = await driver.submit(wanted)

    assert again.id == first.id == wanted.key
    assert again.outputs == first.outputs
    assert (await stats(sandbox))["creates"] == before


async def test_one_image_and_several_are_changed_and_a_mask_is_taken(driver, picture):
    one = await driver.submit(work("image", images=(picture,), mask=picture))
    several = await driver.submit(work("image", images=(picture, picture)))

    assert one.outputs[0].data
    assert several.outputs[0].data


async def test_a_clip_has_the_asked_size_and_length(driver, picture):
    state = await made(driver, work("clip", seconds=2.5, images=(picture,)))

    size, seconds = await clip_of(driver, state)
    assert size == SIZE
    assert seconds == pytest.approx(2.5, abs=0.2)


async def test_shots_are_made_in_one_task(driver):
    shots = (WorkShot(prompt="dawn", seconds=1), WorkShot(prompt="dusk", seconds=1.5))

    state = await made(driver, work("shots", prompt="", shots=shots))

    assert (await clip_of(driver, state))[1] == pytest.approx(2.5, abs=0.2)


async def test_a_video_is_remixed_edited_and_extended(driver):
    source = await made(driver, work("clip", seconds=1))

    remix = await made(driver, work("remix", source=source.id, prompt="at night"))
    edit = await made(driver, work("edit", source=source.id, prompt="in snow"))
    longer = await made(driver, work("extend", source=source.id, seconds=1, prompt="it lands"))

    assert remix.seen is not None
    assert remix.seen.source == source.id
    assert (await clip_of(driver, edit))[1] == pytest.approx(1, abs=0.2)
    assert (await clip_of(driver, longer))[1] == pytest.approx(2, abs=0.2)


async def test_a_character_is_made_used_and_forgotten(driver, tmp_path):
    state = await made(driver, work("clip", seconds=1))
    video = tmp_path / "clip"
    video.write_bytes(b"".join([chunk async for chunk in driver.fetch(state, state.outputs[0])]))
    file = File(path=video, content_type="video/mp4", name="clip.mp4")
    cast = work("cast", video=file, extra={"name": "otto"})

    character = await driver.submit(cast)
    await made(driver, work("clip", seconds=1, characters=(character.id,)))
    await driver.forget_character(character.id)
    await driver.forget_character(character.id)

    assert driver.repeatable(cast)
    assert character.status == "completed"
    with pytest.raises(errors.BadRequest):
        await driver.submit(work("clip", seconds=1, characters=(character.id,)))


async def test_many_tasks_are_asked_after_by_one_list(driver, sandbox):
    tasks = [(await driver.submit(work("clip", seconds=1, prompt=f"kite {n}"))).id for n in range(5)]
    before = await stats(sandbox)

    states = await driver.poll(tasks)

    after = await stats(sandbox)
    assert set(states) == set(tasks)
    assert (after["lists"] - before["lists"], after["polls"] - before["polls"]) == (1, 0)


async def test_what_was_taken_since_then_is_told_with_its_parameters(driver):
    source = await made(driver, work("clip", seconds=1))
    since = datetime.now(UTC) - timedelta(seconds=2)
    remix = await driver.submit(work("remix", source=source.id, prompt="with a second kite"))

    seen = {state.id: state.seen for state in await driver.recent(since=since)}[remix.id]

    assert (seen.prompt, seen.size, seen.seconds, seen.source) == ("with a second kite", SIZE, 1.0, source.id)
    assert seen.created_at >= since
    assert await driver.recent(since=datetime.now(UTC) + timedelta(minutes=1)) == []


async def test_a_refusal_is_one_and_names_the_shot(driver):
    shots = (WorkShot(prompt="dawn", seconds=1), WorkShot(prompt="dusk [refuse]", seconds=1))

    video = await done(driver, await driver.submit(work("shots", prompt="", shots=shots)))
    with pytest.raises(errors.PolicyRefusal):
        await driver.submit(work("image", prompt="a kite [refuse]"))

    assert video.status == "failed"
    assert isinstance(video.error, errors.PolicyRefusal)
    assert video.error.param == "shots[1]"


async def test_what_was_cancelled_is_lost(driver):
    task = await driver.submit(work("clip", seconds=1))

    await driver.cancel(task.id)
    await driver.cancel(task.id)

    assert (await driver.poll([task.id]))[task.id].status == "lost"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"close": "before"}, errors.NetworkFault),
        ({"close": "after"}, errors.NetworkFault),
        ({"garbage": True}, errors.NetworkFault),
        ({"status": 200, "body": {"object": "video"}}, errors.NetworkFault),
        ({"status": 502, "body": "bad gateway"}, errors.NetworkFault),
        ({"status": 504, "body": ""}, errors.NetworkFault),
        ({"status": 503, "body": {"error": {"message": "full"}}}, errors.EngineBusy),
        ({"status": 500, "body": {"error": {"message": "oh"}}}, errors.EngineFault),
        ({"status": 402, "body": {}}, errors.QuotaExhausted),
        ({"status": 429, "body": {"error": {"code": "insufficient_quota"}}}, errors.QuotaExhausted),
        ({"status": 403, "body": {"error": {"code": "content_policy_violation"}}}, errors.PolicyRefusal),
        ({"status": 404, "body": {"error": {"code": "model_not_found"}}}, errors.NotServedHere),
        ({"status": 404, "body": {"detail": "Not Found"}}, errors.NotServedHere),
        ({"status": 422, "body": {"detail": [{"loc": ["body", "prompt"]}]}}, errors.BadRequest),
    ],
)
async def test_each_way_that_a_submit_fails_has_its_type(driver, befall, fault, error):
    await driver.check()
    await befall(method="POST", path="/v1/videos", **fault)

    with pytest.raises(errors.EngineError) as caught:
        await driver.submit(work("clip", seconds=1))

    assert type(caught.value) is error


async def test_a_rate_limit_says_how_long_to_wait(driver, befall):
    await driver.check()
    await befall(method="POST", path="/v1/videos", status=429, body={"error": {}}, headers={"Retry-After": "12"})

    with pytest.raises(errors.RateLimited) as caught:
        await driver.submit(work("clip", seconds=1))

    assert caught.value.retry_after == 12


async def test_what_the_engine_says_is_wrong_reaches_the_client(driver):
    with pytest.raises(errors.BadRequest) as caught:
        await driver.submit(work("clip", seconds=100_000))

    assert caught.value.param == "seconds"
    assert "seconds" in caught.value.message


async def test_a_stream_that_breaks_is_a_network_fault_and_goes_on_from_there(driver, befall):
    state = await made(driver, work("clip", seconds=1))
    whole = b"".join([chunk async for chunk in driver.fetch(state, state.outputs[0])])
    await befall(method="GET", path="/v1/videos/*", close=1000)
    got = bytearray()

    async def go_on():
        async for chunk in driver.fetch(state, state.outputs[0], offset=len(got)):
            got.extend(chunk)

    with pytest.raises(errors.NetworkFault):
        await go_on()
    await go_on()

    assert bytes(got) == whole
