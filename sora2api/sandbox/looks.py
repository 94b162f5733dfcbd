"""Changes pictures so that they are plainly changed and plainly the same: a look, chosen by the prompt."""

from collections.abc import Sequence
from random import Random

from PIL import Image, ImageChops, ImageFilter, ImageOps

from sora2api.media import pictures
from sora2api.sandbox.colours import Colour, rgb, tinted

_DUOTONES = (
    "2a0a4d 7b2fa0 ff8c5a ffe9a8",
    "063448 0c7489 59d5c9 f4fff2",
    "4a0d2c b3123f ff7a3d ffe66d",
    "0a1747 3448c5 e86fc0 ffe3f1",
    "10240f 2f7d32 c2d94c fffbd6",
    "231942 5e548e be95c4 ffc8dd",
    "3b1c0a b5541c f2a65a 9fe0e0",
    "002642 840032 e59500 f5d9a8",
    "1c3144 2a9d8f e9c46a f4a261",
    "2a1a05 9a5b13 f0b440 fff6df",
)
ENOUGH = 0.12
"""Of pictures.distance, 0 to 1: a look is chosen among those that change a picture by this, if there are any."""


class Look:
    """One way to change pictures: chosen by the prompt, of those that change *sample* (RGB) enough."""

    def __init__(self, prompt: str, sample: Image.Image) -> None:
        small = sample.resize((64, 64))
        tones = [[rgb(f"#{name}") for name in names.split()] for names in _DUOTONES]
        changes = [pictures.distance(small, _toned(small, tone)) for tone in tones]
        enough = min(ENOUGH, max(changes))
        random = Random(f"look {prompt}")  # noqa: S311 - looks, no secrets
        self._tones = random.choice([tone for tone, change in zip(tones, changes, strict=True) if change >= enough])
        self.accent = self._tones[2]

    def tone(self, picture: Image.Image) -> Image.Image:
        """*picture* (RGB) in other colours: quick enough for every frame of a clip."""
        return _toned(picture, self._tones)

    def paint(self, picture: Image.Image) -> Image.Image:
        """*picture* (RGB) as if painted: flat strokes, inked edges, other colours."""
        radius = max(3, min(picture.size) // 160 * 2 + 1)
        strokes = picture.filter(ImageFilter.MedianFilter(min(radius, 7)))
        edges = ImageOps.invert(strokes.convert("L").filter(ImageFilter.FIND_EDGES)).point(
            lambda value: 90 + value * 165 // 255
        )
        return ImageChops.multiply(self.tone(strokes), Image.merge("RGB", [edges] * 3))


def _toned(picture: Image.Image, tones: Sequence[Colour]) -> Image.Image:
    grey = ImageOps.autocontrast(picture.convert("L"), cutoff=1)
    return Image.blend(tinted(grey, tones), picture, 0.18)
