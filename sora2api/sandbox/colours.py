"""Colours: palettes, and the runs and glows that are painted with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageColor

from sora2api.sandbox.typeset import Size

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one scene: the sky from top to bottom, its light, the nearest ground, and what floats."""

    sky: tuple[Colour, Colour, Colour]
    light: Colour
    ground: Colour
    accents: tuple[Colour, Colour, Colour]
    night: bool = False


def rgb(text: str) -> Colour:
    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue


def _palette(colours: str, *, night: bool = False) -> Palette:
    top, middle, bottom, light, ground, *accents = (rgb(f"#{name}") for name in colours.split())
    first, second, third = accents
    return Palette((top, middle, bottom), light, ground, (first, second, third), night=night)


PALETTES = (
    _palette("2b2d66 b5567c ffb26b ffe3a3 231a3d ff6b6b ffd166 6be5d0"),
    _palette("0b1b3f 1f4e7a 6fc3b8 e8fff4 07182b 7cf2c8 b48bff ffd27d", night=True),
    _palette("3d8bd9 8fc8ee f6efd2 fff6cc 1f5b49 ff7b54 ffd56f ef4b81"),
    _palette("1b0f3b 5a1f7a f0569b ffc6e5 140a2e 4be1ec ffe45e ff7bd5", night=True),
    _palette("0f4c75 3aa6a6 f9d976 fff3b0 0c2f3f f76e5c ffe08a ff9ecb"),
    _palette("4a2545 c8553d f9c784 fff1c9 2b1a20 38b6a6 fde2a5 e84855"),
    _palette("0a1230 27337a 7a6bd1 dfe0ff 080d22 ff9f6b 7fd1ff fff08a", night=True),
    _palette("5b9279 a9d6a0 fdf3c4 fffbe3 1d3b32 e2665a f2b84b 5a7fd6"),
)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def ramp(stops: Sequence[Colour]) -> list[list[int]]:
    """Three tables of 256 values that turn grey into a run through *stops*."""
    spans = len(stops) - 1
    run = []
    for value in range(256):
        at = value / 255 * spans
        span = min(int(at), spans - 1)
        run.append(mix(stops[span], stops[span + 1], at - span))
    return [[colour[channel] for colour in run] for channel in range(3)]


def tinted(grey: Image.Image, stops: Sequence[Colour]) -> Image.Image:
    """*grey* (mode L) in the colours of *stops*, dark to light."""
    return Image.merge("RGB", [grey.point(table) for table in ramp(stops)])


def vertical(size: Size, stops: Sequence[Colour]) -> Image.Image:
    """A smooth run of colours from top to bottom."""
    return tinted(Image.linear_gradient("L").resize((1, size[1]), Image.Resampling.BILINEAR), stops).resize(size)


def glow(diameter: int, *, core: float) -> Image.Image:
    """A mask (L) of a disc with a soft halo; *core* is the disc's share of the diameter."""

    def strength(distance: float) -> float:
        halo = 150.0 * max(0.0, min(1.0, 1.0 - (distance - core) / (1.0 - core))) ** 2
        disc = 255.0 * max(0.0, min(1.0, (core - distance) * 40 + 1))
        return max(halo, disc)

    radial = Image.radial_gradient("L").resize((diameter, diameter), Image.Resampling.BICUBIC)
    return radial.point([round(strength(value / 181)) for value in range(256)])
