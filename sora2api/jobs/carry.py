"""Carrying a plan out: its steps in order, each once, with what happens as a stream of events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from sora2api.accounts import Pool
from sora2api.errors import InvalidRequest
from sora2api.jobs import faults
from sora2api.jobs.characters import CharacterBook
from sora2api.jobs.composed import Composed
from sora2api.jobs.inbox import Inbox
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.live import LiveJob
from sora2api.jobs.orders import OnProgress, Orders
from sora2api.jobs.pieces import Pieces
from sora2api.jobs.records import encode
from sora2api.jobs.tasks import Tasks
from sora2api.jobs.ways import Inputs, Ways
from sora2api.media.store import MediaStore
from sora2api.modes import (
    AnyStep,
    Cast,
    Change,
    Character,
    CharacterInput,
    Clip,
    Event,
    Extend,
    Image,
    Kept,
    Known,
    Media,
    MediaInput,
    Mode,
    Output,
    Plan,
    Progress,
    Result,
    Shots,
    Step,
    StepDone,
    uses,
)

_END: Final = None

MakingStep = Image | Clip | Shots | Change | Extend | Cast


class Carrier:
    """Carries plans out."""

    def __init__(
        self,
        *,
        pool: Pool,
        tasks: Tasks,
        ledger: Ledger,
        store: MediaStore,
        characters: CharacterBook,
        patience: float,
        modes: Callable[[str], Mode],
    ) -> None:
        self._pool = pool
        self._tasks = tasks
        self._ledger = ledger
        self._store = store
        self._characters = characters
        self._patience = patience
        self._modes = modes

    async def carry_out(self, job: LiveJob, plan: Plan) -> AsyncIterator[Event]:
        """Do what of the *plan* is not done yet; its events as they happen."""
        events: Inbox[Event | None] = Inbox()
        work = asyncio.create_task(self._work(job, plan, events), name=f"plan of {job.id}")
        try:
            while (event := await events.take()) is not _END:
                yield event
            await work
        finally:
            work.cancel()
            await asyncio.wait((work,))

    async def _work(self, job: LiveJob, plan: Plan, events: Inbox[Event | None]) -> None:
        try:
            for index, step in enumerate(plan.steps):

                def tell(fraction: float, done: int = index) -> None:
                    events.put(Progress(percent=int(100 * (done + fraction) / len(plan.steps))))

                await self._step(job, step, tell)
                events.put(StepDone(step=step.name))
            events.put(await self._output(job, plan))
        finally:
            events.put(_END)

    async def _step(self, job: LiveJob, step: AnyStep, tell: OnProgress) -> None:
        if job.recorded(step.name) is not None:
            return
        result = await (self._call(job, step) if isinstance(step, Step) else self._do(job, step, tell))
        await job.remember(step.name, encode(result))
        faults.point("step")

    async def _call(self, job: LiveJob, step: Step) -> Result:
        """A step of the mode's own."""
        job.begin()
        results = {name: await job.result(name) for name in uses(step)}
        function = getattr(self._modes(job.record.mode), step.function)
        result: Result = await function(job, results, **step.arguments)
        return result

    async def _do(self, job: LiveJob, step: MakingStep, tell: OnProgress) -> Result:
        inputs = _inputs(job, step)
        with Pieces(self._store) as pieces:
            return await _made(self._ways(job, pieces), step, inputs, tell)

    def _ways(self, job: LiveJob, pieces: Pieces) -> Ways:
        orders = Orders(job, pool=self._pool, tasks=self._tasks, patience=self._patience)
        return Ways(
            job,
            orders=orders,
            pieces=pieces,
            composed=Composed(job, orders=orders, pieces=pieces),
            ledger=self._ledger,
            characters=self._characters,
        )

    async def _output(self, job: LiveJob, plan: Plan) -> Output:
        result = await job.result(plan.output or plan.steps[-1].name)
        text = result.value if isinstance(result.value, str) and not result.media else None
        return Output(media=result.media, character=result.character, text=text)


async def _made(ways: Ways, step: MakingStep, inputs: Inputs, tell: OnProgress) -> Result:
    match step:
        case Image():
            return await ways.image(step, inputs, tell)
        case Clip():
            return await ways.clip(step, inputs, tell)
        case Shots():
            return await ways.shots(step, inputs, tell)
        case Change():
            return await ways.change(step, inputs, tell)
        case Extend():
            return await ways.extend(step, inputs, tell)
        case Cast():
            return await ways.cast(step, inputs, tell)


def _inputs(job: LiveJob, step: MakingStep) -> Inputs:
    images = step.images if isinstance(step, Image | Clip | Shots) else ()
    characters = () if isinstance(step, Cast) else step.characters
    return Inputs(
        images=tuple(_media(job, image) for image in images),
        mask=_media(job, step.mask) if isinstance(step, Image) and step.mask else None,
        video=_media(job, step.video) if isinstance(step, Cast) else None,
        characters=tuple(_character(job, character) for character in characters),
    )


def _media(job: LiveJob, given: MediaInput) -> Media:
    if isinstance(given, Kept):
        return given.media
    result = job.recorded(given.step)
    if result is None or not result.media:
        raise InvalidRequest(f"The step {given.step!r} gave no file.")
    return result.media[0]


def _character(job: LiveJob, given: CharacterInput) -> Character:
    if isinstance(given, Known):
        return given.character
    result = job.recorded(given.step)
    if result is None or result.character is None:
        raise InvalidRequest(f"The step {given.step!r} gave no character.")
    return result.character
