"""A mode of a third party that says what it was given, with its types."""

import json

from msgspec import Struct

from sora2api import modes
from sora2api.modes import Clip, Note, Plan


class Given(Struct):
    num_frames: int = 0
    flag: bool = False
    tags: list[str] = []
    meta: dict[str, int] = {}


class Echo(modes.Mode):
    name = "echo"
    api_version = modes.API_VERSION
    priority = -1
    parameters = Given

    def accepts(self, request):
        return request.mode == self.name

    def plan(self, request, found):
        clip = Clip(prompt=request.prompt, size=request.size, seconds=modes.seconds_of(request), extra=request.extra)
        return Plan(steps=(clip,))

    async def run(self, job):
        yield Note(text=json.dumps(job.plan.steps[0].extra, sort_keys=True))
        async for event in super().run(job):
            yield event
