"""Modes of a third party, laid into a server's folder of plugins: what no mode of ours plans."""

from sora2api import modes
from sora2api.media import clips
from sora2api.modes import Cast, Clip, Kept, Plan, Result, Step, Use


class Again(modes.Mode):
    """A video, and another one begun on its last frame, which a step of the mode's own takes out."""

    name = "again"
    api_version = modes.API_VERSION
    priority = -1

    def accepts(self, request):
        return request.mode == self.name

    def plan(self, request, found):
        seconds = modes.seconds_of(request)
        first = Clip(name="first", prompt=request.prompt, size=request.size, seconds=seconds)
        last = Step(name="last", function="last_frame", arguments={"ending": ".png"}, after=("first",))
        second = Clip(name="second", prompt="again", size=request.size, seconds=seconds, images=(Use("last"),))
        return Plan(steps=(first, last, second))

    async def last_frame(self, job, results, *, ending):
        video = await job.path(results["first"].media[0])
        target = video.parent / f"{job.id}{ending}"
        clips.last_frame(video, target)
        return Result(media=(await job.keep(target),))


class Together(modes.Mode):
    """Characters out of several videos, together in one."""

    name = "together"
    api_version = modes.API_VERSION
    priority = -1

    def accepts(self, request):
        return request.mode == self.name

    def plan(self, request, found):
        casts = tuple(
            Cast(name=f"character/{number}", video=Kept(video), keep=False)
            for number, video in enumerate(request.videos)
        )
        clip = Clip(
            prompt=request.prompt,
            size=request.size,
            seconds=modes.seconds_of(request),
            characters=tuple(Use(cast.name) for cast in casts),
        )
        return Plan(steps=(*casts, clip))
