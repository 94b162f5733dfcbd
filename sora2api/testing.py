"""For authors of plugins: tests that every driver passes, to be inherited. Needs pytest and pytest-asyncio."""

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import ClassVar, get_args

import msgspec
import pytest

from sora2api import drivers, errors
from sora2api.drivers import Capability, Driver, EngineModel, Remote, TaskState, Work


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
