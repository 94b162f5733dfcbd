"""The mode that makes images out of words, or changes images by words."""

from sora2api.errors import InvalidValue
from sora2api.modes import API_VERSION, Found, Image, Kept, Known, Mode, Plan, Request


class ImageMode(Mode):
    name = "image"
    api_version = API_VERSION
    priority = 10
    description = "Images from text, or from images and text."
    deadline = 600.0

    def accepts(self, request: Request) -> bool:
        return request.makes == "image" and request.operation == "make"

    def plan(self, request: Request, found: Found) -> Plan:
        if not request.prompt.strip():
            raise InvalidValue("The prompt is empty: say what the image shall show.", param="prompt")
        image = Image(
            prompt=request.prompt,
            size=request.size,
            n=request.n,
            images=tuple(map(Kept, request.images)),
            mask=Kept(request.mask) if request.mask else None,
            characters=tuple(map(Known, found.cast())),
            extra=request.extra,
        )
        return Plan(steps=(image,))
