"""A mode that counts down, one durable step a number, before its clip is made."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct

from sora2api import modes
from sora2api.errors import InvalidValue
from sora2api.modes import Clip, Event, Found, Job, Note, Plan, Request, Result, Step

PREFIX = "countdown:"


class Settings(Struct, frozen=True, kw_only=True):
    """The operator's: where a countdown begins."""

    start: int = 3


class Fields(Struct, frozen=True, kw_only=True):
    """The client's: a file that gets one line for each thing that is really done."""

    countdown_log: str | None = None


class CountdownMode(modes.Mode):
    name = "countdown"
    api_version = modes.API_VERSION
    priority = 50
    description = "A countdown, then the clip."
    models = (modes.Model(name="countdown-4s", makes="video", size="640x360", seconds=4.0),)
    parameters = Fields
    settings_type = Settings

    def accepts(self, request: Request) -> bool:
        asked = request.mode == self.name or request.prompt.startswith(PREFIX)
        return request.makes == "video" and request.operation == "make" and asked

    def plan(self, request: Request, found: Found) -> Plan:
        prompt = request.prompt.removeprefix(PREFIX).strip()
        if not prompt:
            raise InvalidValue("The prompt is empty: say what is launched.", param="prompt")
        log = modes.own_extra(request, Fields).countdown_log
        clip = Clip(
            prompt=prompt,
            size=request.size,
            seconds=modes.seconds_of(request),
            extra=modes.engine_extra(request, Fields),
        )
        return Plan(steps=(Step(name="doors", function="close_doors", arguments={"log": log}), clip))

    async def run(self, job: Job) -> AsyncIterator[Event]:
        log = modes.own_extra(job.request, Fields).countdown_log
        for number in range(self.settings.start, 0, -1):
            yield Note(text=await job.step(f"count-{number}", partial(_said, str(number), log), str))
        async for event in job.carry_out(job.plan):
            yield event
        yield Note(text="lift-off")

    async def close_doors(self, job: Job, results: Mapping[str, Result], *, log: str | None) -> Result:
        return Result(value=await _said("doors closed", log))


async def _said(text: str, log: str | None) -> str:
    if log is not None:
        await asyncio.to_thread(_write, Path(log), text)
    return text


def _write(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
