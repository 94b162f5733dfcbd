"""The mode that makes a video out of words, an image, or both."""

from sora2api.errors import InvalidValue
from sora2api.modes import API_VERSION, Clip, Found, Kept, Known, Mode, Plan, Request, seconds_of, styled


class VideoMode(Mode):
    name = "video"
    api_version = API_VERSION
    priority = 10
    description = "Videos from text, from an image, or from both."

    def accepts(self, request: Request) -> bool:
        return request.makes == "video" and request.operation == "make"

    def plan(self, request: Request, found: Found) -> Plan:
        if not request.prompt.strip() and not request.images:
            raise InvalidValue("The prompt is empty: say what the video shall show, or give an image.", param="prompt")
        clip = Clip(
            prompt=styled(request.prompt),
            size=request.size,
            seconds=seconds_of(request),
            images=tuple(map(Kept, request.images)),
            characters=tuple(map(Known, found.cast())),
            extra=request.extra,
        )
        return Plan(steps=(clip,))
