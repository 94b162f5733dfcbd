"""For authors of plugins: tests that every mode and every driver passes, to be inherited.

Needs pytest and pytest-asyncio.
"""

import asyncio
import inspect
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, ClassVar, Final, get_args

import msgspec
import pytest

from sora2api import drivers, errors, modes
from sora2api.drivers import Capability, Driver, EngineModel, Remote, TaskState, Work
from sora2api.modes import Character, Found, Media, Mode, Plan, Request, Source, VideoReference
from sora2api.registry import SLUG

PICTURE: Final = Media(asset="file_picture", kind="image", content_type="image/png", width=1280, height=720)
FILM: Final = Media(asset="file_film", kind="video", content_type="video/mp4", width=1280, height=720, seconds=4.0)
SHARE_ID: Final = "s_68e3a06dcd888191b150971da152c1f5"

PROMPTS: Final = (
    "",
    " \n ",
    "a red kite over dunes",
    "Котёнок бегает по траве, @anna.k машет",
    "一只猫在草地上奔跑 {anime}",
    "[5.0s]a cat jumps [5s]it lands\n[10.0s]it runs",
    "cut at [3s] mark",
    "[0s] nothing [900s]",
    f"https://sora.chatgpt.com/p/{SHARE_ID}?a=1 in ink",
    f"{SHARE_ID} and s_{'0' * 32}",
    "{{}} [[s] @@ s_ \x00 \N{RAINBOW}",
    "word " * 5000,
)
_EXTRAS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"seed": 7, "shots": [{"prompt": "a cat", "seconds": 2}], "name": "anna", "remix_target_id": SHARE_ID},
    {"shots": 7, "transition": [], "name": {}, "username": 1.5, "remix_target_id": ["s_"], "seed": None},
)


def sample_requests() -> Iterator[Request]:
    """Requests of every kind, sensible ones and others, as the core may hand them to a mode."""
    made = (("image", "make"), ("video", "make"), ("video", "remix"), ("video", "extend"), ("video", "cast"))
    given: tuple[dict[str, Any], ...] = (
        {},
        {"images": (PICTURE,), "mask": PICTURE},
        {"videos": (FILM,)},
        {"videos": (FILM, FILM), "characters": ("anna.k",)},
        {"source": "video_1", "seconds": 10.0},
    )
    for (makes, operation), prompt, fields, extra in product(made, PROMPTS, given, _EXTRAS):
        seconds = {"seconds": 10.0} if makes == "video" else {}
        yield msgspec.convert(
            {"model": "m", "makes": makes, "size": "1280x720", "operation": operation, "prompt": prompt, "extra": extra}
            | seconds
            | fields,
            Request,
        )


class ModeContract:
    """What every mode keeps. Subclass it, and set *mode* to yours.

    Give *settings* if it has some that matter, and *requests* that it is for, beside the many that are tried anyway.
    """

    mode: ClassVar[type[Mode]]
    settings: ClassVar[Mapping[str, Any]] = {}
    requests: ClassVar[Sequence[Request]] = ()

    def test_its_name_is_a_slug(self) -> None:
        assert SLUG.fullmatch(self.mode.name)

    def test_it_is_made_for_this_contract(self) -> None:
        assert self.mode.api_version == modes.API_VERSION

    def test_its_settings_and_parameters_have_defaults(self) -> None:
        for fields in (self.mode.settings_type, self.mode.parameters):
            assert fields is None or isinstance(fields(), fields)

    def test_it_accepts_or_not_but_never_raises(self) -> None:
        mode = self._made()
        for request in self._requests():
            first = mode.accepts(request)

            assert first in {True, False}
            assert mode.accepts(request) is first

    def test_it_accepts_something(self) -> None:
        mode = self._made()

        assert any(map(mode.accepts, self._requests())), "give `requests` that the mode is for"
        assert all(map(mode.accepts, self.requests))

    def test_what_a_request_refers_to_is_always_the_same(self) -> None:
        mode = self._made()
        for request in self._accepted():
            assert _outcome(mode.references, request) == _outcome(mode.references, request)

    def test_an_equal_request_gives_an_equal_plan_or_is_refused(self) -> None:
        planned = list(self._planned())

        assert planned
        for request, plan in planned:
            assert self._plan(request) == plan

    def test_a_plan_can_be_stored_and_read_again(self) -> None:
        for _, plan in self._planned():
            assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan

    def test_steps_have_names_of_their_own_and_use_earlier_ones(self) -> None:
        for _, plan in self._planned():
            earlier: list[str] = []
            for step in plan.steps:
                assert step.name not in earlier
                assert set(modes.uses(step)) <= set(earlier)
                earlier.append(step.name)

            assert earlier
            assert plan.output in {None, *earlier}

    def test_a_step_of_its_own_is_an_async_method(self) -> None:
        for _, plan in self._planned():
            for step in plan.steps:
                if isinstance(step, modes.Step):
                    assert inspect.iscoroutinefunction(getattr(self.mode, step.function))

    def test_an_empty_prompt_is_planned_or_refused_by_name(self) -> None:
        for request in self._accepted():
            if not request.prompt.strip():
                self._plan(request)

    @pytest.mark.asyncio
    async def test_it_opens_and_closes(self) -> None:
        mode = self._made()
        await mode.open()
        await mode.close()

    def _made(self) -> Mode:
        return self.mode(self.settings)

    def _requests(self) -> Iterator[Request]:
        yield from self.requests
        yield from sample_requests()

    def _accepted(self) -> Iterator[Request]:
        return filter(self._made().accepts, self._requests())

    def _plan(self, request: Request) -> Plan | None:
        """The plan for *request* with all found that it refers to; None where it is refused by one of our errors."""
        mode = self._made()
        try:
            return mode.plan(request, everything_found(mode, request))
        except errors.ClientError:
            return None

    def _planned(self) -> Iterator[tuple[Request, Plan]]:
        for request in self._accepted():
            plan = self._plan(request)
            if plan is not None:
                yield request, plan


def everything_found(mode: Mode, request: Request) -> Found:
    """What the core would hand to `plan` if all that *request* refers to were there."""
    videos, characters = {}, {}
    for reference in mode.references(request):
        if isinstance(reference, VideoReference):
            videos[reference.id] = Source(
                video=f"video_of_{reference.id}", prompt="a kite", model="m", size="1280x720", seconds=4.0, media=FILM
            )
        else:
            characters[reference.name] = Character(id=f"char_{reference.name}", name=reference.name, images=(PICTURE,))
    return Found(videos=videos, characters=characters)


def _outcome(question: Any, request: Request) -> object:
    try:
        return tuple(question(request))
    except errors.ClientError as error:
        return error.code, error.message


class DriverContract:
    """What every driver keeps. Subclass it, and give it a fixture `driver` that returns yours, connected to an engine.

    The engine should be the real one, or one that answers as it does; the tests have it make what it makes several
    times. Set *patience* to how many seconds that may take, and *pause* to those between two polls.
    """

    patience: ClassVar[float] = 60.0
    pause: ClassVar[float] = 0.05

    @pytest.fixture
    def driver(self) -> Driver:
        raise NotImplementedError("a DriverContract needs a fixture `driver`")

    async def test_its_kind_is_a_word_that_accounts_can_name(self, driver: Driver) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", driver.kind)

    async def test_it_is_made_for_this_contract(self, driver: Driver) -> None:
        assert driver.api_version == drivers.API_VERSION

    async def test_its_settings_explain_themselves_and_have_defaults(self, driver: Driver) -> None:
        driver.settings_type()
        schema = msgspec.json.schema(driver.settings_type)["$defs"][driver.settings_type.__name__]

        assert [name for name, said in schema["properties"].items() if not said.get("description")] == []

    async def test_check_names_each_model_once_with_something_that_it_makes(self, driver: Driver) -> None:
        models = await driver.check()

        assert models
        assert len({model.name for model in models}) == len(models)
        for model in models:
            assert model.capabilities <= set(get_args(Capability))
            assert model.capabilities & {"image", "image_edit", "clip", "first_frame"}

    async def test_what_is_submitted_is_made_and_can_be_fetched(self, driver: Driver) -> None:
        state = await self._made(driver)

        assert state.status == "completed"
        assert state.outputs
        for output in state.outputs:
            assert await _fetched(driver, state, output)

    async def test_a_fetch_begins_where_it_is_told_or_says_that_it_cannot(self, driver: Driver) -> None:
        state = await self._made(driver)
        whole = await _fetched(driver, state, state.outputs[0])
        middle = len(whole) // 2
        try:
            rest = await _fetched(driver, state, state.outputs[0], offset=middle)
        except errors.BadRequest:
            return

        assert rest == whole[middle:]

    async def test_a_task_that_the_engine_does_not_know_is_lost(self, driver: Driver) -> None:
        await self._model(driver, "clip")

        states = await driver.poll(["unknown-task"])

        assert states["unknown-task"].status == "lost"

    async def test_a_poll_answers_for_all_that_it_is_asked_after_and_for_nothing_else(self, driver: Driver) -> None:
        model = await self._model(driver, "clip")
        first, second, _ = [await driver.submit(_clip(model)) for _ in range(3)]

        states = await driver.poll([first.id, "unknown-task", second.id])

        assert set(states) == {first.id, second.id, "unknown-task"}
        assert all(state.id == name for name, state in states.items())
        assert await driver.poll([]) == {}

    async def test_a_list_shows_what_was_submitted_since(self, driver: Driver) -> None:
        model = await self._model(driver, "clip", "list")
        since = datetime.now(UTC) - timedelta(minutes=5)
        task = await driver.submit(_clip(model))

        seen = {state.id: state.seen for state in await driver.recent(since=since)}[task.id]

        assert seen is not None
        assert seen.created_at >= since
        assert seen.prompt == _clip(model).prompt

    async def test_a_task_that_was_cancelled_does_not_go_on(self, driver: Driver) -> None:
        model = await self._model(driver, "clip", "cancel")
        task = await driver.submit(_clip(model))

        await driver.cancel(task.id)

        assert (await driver.poll([task.id]))[task.id].status not in {"queued", "in_progress"}

    async def _model(self, driver: Driver, *needed: Capability) -> EngineModel:
        for model in await driver.check():
            if model.capabilities.issuperset(needed):
                return model
        pytest.skip(f"no model of the engine has all of {', '.join(needed)}")

    async def _made(self, driver: Driver) -> TaskState:
        """What comes of a clip, or of an image where the engine makes no clips."""
        for model in await driver.check():
            if "clip" in model.capabilities:
                return await self._ended(driver, await driver.submit(_clip(model)))
        model = await self._model(driver, "image")
        work = Work(make="image", key=uuid.uuid4().hex, model=model.name, prompt="a red kite over dunes")
        return await self._ended(driver, await driver.submit(work))

    async def _ended(self, driver: Driver, state: TaskState) -> TaskState:
        async with asyncio.timeout(self.patience):
            while state.status in {"queued", "in_progress"}:
                await asyncio.sleep(self.pause)
                state = (await driver.poll([state.id]))[state.id]
        return state


def _clip(model: EngineModel) -> Work:
    return Work(make="clip", key=uuid.uuid4().hex, model=model.name, prompt="a red kite over dunes", seconds=1)


async def _fetched(driver: Driver, state: TaskState, output: Remote, *, offset: int = 0) -> bytes:
    return b"".join([chunk async for chunk in driver.fetch(state, output, offset=offset)])
