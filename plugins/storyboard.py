"""The mode that makes one video of several shots, written with `[5.0s]` tags or given as a list."""

from collections.abc import Sequence

from sora2api import modes
from sora2api.modes import Found, Kept, Known, Plan, Reference, Request, ShotList, Shots


class StoryboardMode(modes.Mode):
    name = "storyboard"
    api_version = modes.API_VERSION
    priority = 20
    description = "One video of several shots, each with its own length."
    deadline = 4 * 3600.0
    parameters = ShotList

    def accepts(self, request: Request) -> bool:
        return request.makes == "video" and request.operation == "make" and modes.is_storyboard(request)

    def references(self, request: Request) -> Sequence[Reference]:
        listed = modes.own_extra(request, ShotList).shots or ()
        return (*super().references(request), *modes.mentions(*(shot.prompt for shot in listed)))

    def plan(self, request: Request, found: Found) -> Plan:
        asked = modes.storyboard(request)
        step = Shots(
            shots=asked.shots,
            size=request.size,
            direction=asked.direction,
            transition=asked.transition,
            images=tuple(map(Kept, request.images)),
            characters=tuple(map(Known, found.cast())),
            extra=modes.engine_extra(request, ShotList),
        )
        return Plan(steps=(step,))
