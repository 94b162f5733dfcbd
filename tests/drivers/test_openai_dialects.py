"""The openai driver at fake servers: each answers as the documentation of an engine says, and is none of them."""

import base64
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from sora2api import errors
from sora2api.drivers import EngineModel, File, Work
from sora2api.drivers.openai.dialects import DIALECTS, of_host

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


class Fake:
    """A server with fixed answers by method and path, which notes the forms and bodies that it is sent."""

    def __init__(self) -> None:
        self.answers = {}
        self.calls = []
        self.sent = []
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self._answer)

    def on(self, call, body, *, status=200, headers=None):
        self.answers[call] = (body, status, headers)
        return self

    def models(self, *names, owner, **headers):
        data = [{"id": name, "object": "model", "owned_by": owner} for name in names]
        return self.on("GET /v1/models", {"object": "list", "data": data}, headers=headers)

    async def _answer(self, request):
        call = f"{request.method} {request.rel_url.raw_path}"
        self.calls.append((call, dict(request.query)))
        if request.content_type == "multipart/form-data":
            form = await request.post()
            self.sent.append(
                [(name, value if isinstance(value, str) else value.filename) for name, value in form.items()]
            )
        elif request.can_read_body:
            self.sent.append(await request.json())
        if call not in self.answers:
            return web.json_response({"detail": "Not Found"}, status=404)
        body, status, headers = self.answers[call]
        body = body(request) if callable(body) else body
        if isinstance(body, bytes):
            return web.Response(body=body, status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def picture(tmp_path) -> File:
    path = tmp_path / "picture"
    path.write_bytes(PNG)
    return File(path=path, content_type="image/png", name="i.png")


def clip(**more) -> Work:
    return Work(make="clip", key=uuid.uuid4().hex, **{"prompt": "a cat", **more})


def video(name, **more):
    return {"id": name, "object": "video", "status": "queued", "progress": 0, "created_at": 1_760_000_000, **more}


async def read(driver, state, offset=0):
    return b"".join([chunk async for chunk in driver.fetch(state, state.outputs[0], offset=offset)])


# vLLM-Omni 0.30: forms only, whole seconds, no bracket names; a failed job is an error status with a Video body.


async def test_vllm_omni_is_sent_a_form_of_its_own_words(fake, serve, connect, picture):
    fake.models("Wan-AI/Wan2.2-TI2V-5B", owner="vllm").on("POST /v1/videos", video("video_gen_1"))
    driver = connect(await serve(fake.app))
    extra = {"seed": 7, "generate_sound": True, "lora": {"name": "x"}, "model": "another"}

    state = await driver.submit(
        clip(model="Wan-AI/Wan2.2-TI2V-5B", seconds=4.2, images=(picture, picture), extra=extra)
    )

    assert state.id == "video_gen_1"
    assert fake.sent[0] == [
        ("model", "Wan-AI/Wan2.2-TI2V-5B"),
        ("prompt", "a cat"),
        ("seconds", "5"),
        ("seed", "7"),
        ("generate_sound", "true"),
        ("lora", '{"name":"x"}'),
        ("input_reference", "i.png"),
        ("input_references", "i.png"),
    ]


async def test_a_model_that_is_not_said_is_left_out(fake, serve, connect):
    fake.models("wan", owner="vllm").on("POST /v1/videos", video("video_gen_1"))

    await connect(await serve(fake.app)).submit(clip())

    assert fake.sent[0] == [("prompt", "a cat")]


async def test_a_failed_job_of_vllm_omni_is_a_task_though_its_status_is_an_error(fake, serve, connect):
    error = {"code": 400, "message": "out of range"}
    fake.models("wan", owner="vllm").on("GET /v1/videos/v1", video("v1", status="failed", error=error), status=400).on(
        "GET /v1/videos/v2", video("v2", status="failed", error={"code": 500, "message": "oom"}), status=500
    )
    driver = connect(await serve(fake.app))

    bad, broken = (await driver.poll(["v1"]))["v1"], (await driver.poll(["v2"]))["v2"]

    assert (bad.status, type(bad.error), bad.error.message) == ("failed", errors.BadRequest, "out of range")
    assert (broken.status, type(broken.error)) == ("failed", errors.EngineFault)


async def test_a_create_refused_with_a_task_is_that_task(fake, serve, connect):
    fake.models("wan", owner="vllm").on("POST /v1/videos", video("v1", status="failed"), status=500)

    state = await connect(await serve(fake.app)).submit(clip())

    assert (state.id, state.status, state.error.code) == ("v1", "failed", "engine_fault")


async def test_another_model_than_vllm_omni_has_is_our_misconfiguration(fake, serve, connect):
    fake.models("wan", owner="vllm").on("POST /v1/videos", {"detail": "Model mismatch: serves wan"}, status=400)

    with pytest.raises(errors.NotServedHere):
        await connect(await serve(fake.app)).submit(clip(model="sora-2"))


# SGLang Diffusion 0.5.23: a failure has a message only; images default to relative URLs.


async def test_sglang_is_asked_for_the_bytes_of_images_and_gives_codes_that_are_missing(fake, serve, connect):
    data = base64.b64encode(PNG).decode()
    fake.models("Qwen/Qwen-Image", owner="sglang").on("POST /v1/images/generations", {"data": [{"b64_json": data}]})
    fake.on("GET /v1/videos/r1", video("r1", status="failed", error={"message": "CUDA"}))
    driver = connect(await serve(fake.app))

    state = await driver.submit(Work(make="image", key="k1", prompt="a cat", size="64x64"))
    failed = (await driver.poll(["r1"]))["r1"]

    assert fake.sent[0] == {"prompt": "a cat", "n": 1, "size": "64x64", "response_format": "b64_json"}
    assert (state.id, state.outputs[0].data) == ("k1", PNG)
    assert (failed.error.code, failed.error.message) == ("engine_fault", "CUDA")


async def test_the_content_is_asked_for_without_a_variant(fake, serve, connect):
    fake.models("wan", owner="sglang").on("GET /v1/videos/r1", video("r1", status="completed"))
    fake.on("GET /v1/videos/r1/content", b"MP4")
    driver = connect(await serve(fake.app))

    assert await read(driver, (await driver.poll(["r1"]))["r1"]) == b"MP4"
    assert fake.calls[-1] == ("GET /v1/videos/r1/content", {})


async def test_a_relative_url_of_an_image_is_on_the_engine(fake, serve, connect):
    fake.on("POST /v1/images/generations", {"data": [{"url": "/v1/images/i1/content"}]})
    fake.on("GET /v1/images/i1/content", PNG)
    driver = connect(await serve(fake.app), dialect="plain")

    state = await driver.submit(Work(make="image", key="k1", prompt="a cat"))

    assert await read(driver, state) == PNG


async def test_models_are_told_apart_by_their_task_type_and_by_their_names(fake, serve, connect):
    data = [
        {"id": "a", "owned_by": "sglang", "task_type": "I2V"},
        {"id": "b", "owned_by": "sglang", "task_type": "T2I"},
        {"id": "Wan2.2-T2V-A14B", "owned_by": "sglang"},
        {"id": "FLUX.1-dev", "owned_by": "sglang"},
        {"id": "Qwen3-8B", "owned_by": "sglang"},
    ]
    fake.on("GET /v1/models", {"data": data})

    models = {model.name: model.capabilities for model in await connect(await serve(fake.app)).check()}

    assert models == {
        "a": {"first_frame", "list"},
        "b": {"image", "image_edit"},
        "Wan2.2-T2V-A14B": {"clip", "list"},
        "FLUX.1-dev": {"image", "image_edit"},
    }


# FastVideo 0.2.1: a list without first_id, last_id and has_more.


@pytest.mark.parametrize("pages", [1, 3])
async def test_a_list_without_cursor_fields_is_read_to_its_end(fake, serve, connect, pages):
    tasks = [f"t{number:03}" for number in range(pages * 100 - 30)]

    def listed(request):
        start = tasks.index(request.query["after"]) + 1 if "after" in request.query else 0
        return {"object": "list", "data": [video(task) for task in tasks[start : start + int(request.query["limit"])]]}

    fake.models("wan", owner="fastvideo").on("GET /v1/videos", listed)

    states = await connect(await serve(fake.app)).poll(tasks)

    assert sorted(states) == tasks
    assert len([call for call, _ in fake.calls if call == "GET /v1/videos"]) == pages
    assert len(fake.calls) == pages + 1


async def test_a_list_that_ignores_its_cursor_is_not_read_for_ever(fake, serve, connect):
    page = {"data": [video(f"t{number}") for number in range(100)], "has_more": True}
    fake.models("wan", owner="fastvideo").on("GET /v1/videos", page)
    since = datetime.fromtimestamp(1_760_000_000, UTC) - timedelta(hours=1)

    found = await connect(await serve(fake.app)).recent(since=since)

    assert len(found) == 100
    assert len(fake.calls) == 3


async def test_a_task_that_the_list_does_not_show_is_asked_after_before_it_is_lost(fake, serve, connect):
    fake.models("wan", owner="fastvideo").on("GET /v1/videos", {"data": [video("t1")]})
    fake.on("GET /v1/videos/t2", video("t2", status="in_progress", progress=33.7))

    states = await connect(await serve(fake.app)).poll(["t1", "t2", "t3"])

    assert [states[task].status for task in ("t1", "t2", "t3")] == ["queued", "in_progress", "lost"]
    assert states["t2"].progress == 33


async def test_an_engine_whose_list_is_gone_is_asked_after_each_and_its_recent_tasks_are_not_none(fake, serve, connect):
    fake.models("wan", owner="vllm").on("GET /v1/videos/t1", video("t1")).on("GET /v1/videos/t2", video("t2"))
    driver = connect(await serve(fake.app))

    assert set(await driver.poll(["t1", "t2"])) == {"t1", "t2"}
    assert set(await driver.poll(["t1", "t2"])) == {"t1", "t2"}

    assert [call for call, _ in fake.calls].count("GET /v1/videos") == 1
    with pytest.raises(errors.EngineError):
        await driver.recent(since=datetime.now(UTC))


# LiteLLM 1.106: ids with "+", "/" and "="; no list, no delete. new-api: the same, and numbers where texts belong.


async def test_an_id_of_litellm_is_one_segment_of_the_path(fake, serve, connect):
    name = "video_bGl0ZWxsbTpjdXN0b20/b+W8="
    path = "GET /v1/videos/video_bGl0ZWxsbTpjdXN0b20%2Fb%2BW8%3D"
    fake.models("veo-3", owner="openai", **{"x-litellm-version": "1.106.2"})
    fake.on(path, video(name, status="completed")).on(path + "/content", b"MP4")
    driver = connect(await serve(fake.app))

    state = (await driver.poll([name, name]))[name]

    assert state.id == name
    assert await read(driver, state) == b"MP4"
    assert "GET /v1/videos" not in [call for call, _ in fake.calls]


async def test_a_gateway_with_no_more_budget_is_exhausted(fake, serve, connect):
    fake.models("veo-3", owner="openai", **{"x-litellm-version": "1.106.2"})
    fake.on("POST /v1/videos", {"error": {"message": "over", "type": "budget_exceeded", "code": "400"}}, status=400)

    with pytest.raises(errors.QuotaExhausted):
        await connect(await serve(fake.app)).submit(clip(model="veo-3"))


# Others.


async def test_dynamo_is_waited_for_and_brings_the_clip_along(fake, serve, connect, picture):
    data = base64.b64encode(b"MP4" * 200_000).decode()
    body = {**video("d1", status="completed"), "created": 1_760_000_000, "data": [{"b64_json": data}], "error": None}
    fake.on("POST /v1/videos", body)
    driver = connect(await serve(fake.app), dialect="dynamo")

    state = await driver.submit(clip(model="wan", seconds=4, images=(picture,)))

    assert fake.sent[0]["seconds"] == 4
    assert fake.sent[0]["input_reference"].startswith("data:image/png;base64,")
    assert await read(driver, state, offset=3) == b"MP4" * 199_999


async def test_an_error_that_is_only_a_text_is_read(fake, serve, connect):
    fake.on("GET /v1/videos/t1", video("t1", status="failed", error="no frames"))

    state = (await connect(await serve(fake.app), dialect="tensorrt-llm").poll(["t1"]))["t1"]

    assert state.error.message == "no frames"


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("PENDING", ("queued", None)),
        ("not_start", ("queued", None)),
        ("processing", ("in_progress", None)),
        ("RUNNING", ("in_progress", None)),
        ("a state nobody knows", ("in_progress", None)),
        ("succeeded", ("completed", None)),
        ("done", ("completed", None)),
        ("error", ("failed", "engine_fault")),
        ("CANCELED", ("failed", "cancelled")),
        ("cancelled", ("failed", "cancelled")),
        ("expired", ("failed", "expired")),
    ],
)
async def test_each_word_for_a_state_is_understood(fake, serve, connect, word, outcome):
    fake.on("GET /v1/videos/t1", {"status": word})

    state = (await connect(await serve(fake.app), dialect="plain").poll(["t1"]))["t1"]

    assert state.id == "t1"
    assert (state.status, state.error.code if state.error else None) == outcome


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        (None, None),
        ("40", 40),
        ("40%", None),
        (-5, 0),
        (250, 100),
        (99.9, 99),
        ("nan", None),
        ([], None),
        (1e400, None),
    ],
)
async def test_progress_is_a_whole_number_from_0_to_100_or_unknown(told, progress):
    from sora2api.drivers.openai import reading

    state = await reading.video({"id": "t1", "status": "running", "progress": told})

    assert state.progress == progress


async def test_a_url_of_a_finished_clip_is_used_wherever_it_stands(fake, serve, connect):
    fake.on("GET /v1/videos/t1", video("t1", status="completed", url="/files/1.mp4"))
    fake.on("GET /v1/videos/t2", video("t2", status="completed", video={"url": "/files/2.mp4"}))
    fake.on("GET /files/1.mp4", b"one").on("GET /files/2.mp4", b"two")
    driver = connect(await serve(fake.app), dialect="plain")

    states = await driver.poll(["t1", "t2"])

    assert [await read(driver, states[task]) for task in ("t1", "t2")] == [b"one", b"two"]


async def test_azure_has_its_own_header_and_root(fake, serve, connect):
    fake.on("GET /openai/v1/models", {"data": [{"id": "gpt-image-2"}]})
    seen = []
    fake.app.on_response_prepare.append(lambda request, _: _note(seen, request))

    models = await connect(await serve(fake.app), dialect="azure", token="k").check()

    assert [model.name for model in models] == ["gpt-image-2"]
    assert seen[0]["api-key"] == "k"
    assert "Authorization" not in seen[0]
    assert of_host("me.openai.azure.com") is DIALECTS["azure"]
    assert of_host("api.openai.com") is DIALECTS["openai"]
    assert of_host("api.openai.com.evil.test") is None


async def _note(seen, request):
    seen.append(request.headers)


async def test_an_engine_without_models_has_those_that_the_settings_name(fake, serve, connect):
    url = await serve(fake.app)
    fake.on("POST /v1/videos", video("t1"))
    driver = connect(url, video_model="my-own", image_model="mine", models={"sora-2": "wan-turbo"})

    models = {model.name: model.capabilities for model in await driver.check()}
    await driver.submit(clip())
    await driver.submit(clip(model="sora-2"))

    assert models == {
        "my-own": {"clip", "first_frame"},
        "mine": {"image", "image_edit"},
        "wan-turbo": {"clip", "first_frame"},
    }
    assert [sent[0] for sent in fake.sent] == [("model", "my-own"), ("model", "wan-turbo")]


def test_of_an_engines_models_the_settings_choose_unless_the_engine_has_the_public_name(connect):
    offered = [EngineModel(name=name, capabilities=frozenset({"clip"})) for name in ("wan", "ltx", "sora-2", "mochi")]
    driver = connect("http://127.0.0.1:9", video_model="ltx", models={"sora-2-pro": "mochi"})

    chosen = {
        public: driver.engine_model(public, "video", offered) for public in ("sora-2", "sora-2-pro", "sora-video")
    }

    assert {public: model.name for public, model in chosen.items()} == {
        "sora-2": "sora-2",
        "sora-2-pro": "mochi",
        "sora-video": "ltx",
    }
    assert connect("http://127.0.0.1:9").engine_model("sora-video", "video", offered).name == "wan"


@pytest.mark.parametrize("wrong", [{"dialect": "klingon"}, {"image_timeout": 0}, {"polls_at_once": "many"}])
def test_wrong_settings_are_refused(connect, wrong):
    with pytest.raises(errors.InvalidValue):
        connect("http://127.0.0.1:9", **wrong)


async def test_an_engine_that_is_not_there_was_sent_nothing(connect):
    with pytest.raises(errors.ConnectFault):
        await connect("http://127.0.0.1:9").submit(clip())


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": [{}]}, {"data": [{"b64_json": "!"}]}, []])
async def test_images_that_do_not_come_leave_open_whether_they_were_made(fake, serve, connect, body):
    fake.on("POST /v1/images/generations", body)
    driver = connect(await serve(fake.app), dialect="plain")

    with pytest.raises(errors.NetworkFault):
        await driver.submit(Work(make="image", key="k1", prompt="a cat"))


async def test_two_pictures_for_an_engine_that_takes_one_are_refused_before_anything_is_sent(connect, picture):
    with pytest.raises(errors.BadRequest):
        await connect("http://127.0.0.1:9", dialect="sglang").submit(clip(images=(picture, picture)))
