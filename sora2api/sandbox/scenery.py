"""Paints lively landscapes from a seed: a sky, layers that drift past each other, things that float, and sparks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from PIL import Image, ImageChops, ImageColor, ImageDraw

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
    _palette("0f4c75 3aa6a6 f9d976 fff3b0 0c2f3f f76e5c ffe08a ffffff"),
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


@dataclass(frozen=True, slots=True)
class Layer:
    """A strip twice as wide as the picture, whose second half repeats the first, so that it drifts for ever."""

    colours: Image.Image
    mask: Image.Image
    top: int
    speed: float
    bob: float


@dataclass(frozen=True, slots=True)
class Floater:
    """Something (RGBA) on a path of its own: position and drift in parts of the picture."""

    image: Image.Image
    x: float
    y: float
    drift: float
    sway: float
    phase: float


def _strip(
    size: Size, height: int, outline: Callable[[float], float], colours: Sequence[Colour]
) -> tuple[Image.Image, Image.Image]:
    """A strip of ground below *outline*, which gives the share of *height* (0 to 1) at a position of period 1."""
    width = size[0]
    mask = Image.new("L", (width * 2, height * 2), 0)
    step = max(2, width // 160)
    ridge = [(x, (1 - outline(x / (width * 2))) * height * 2) for x in range(0, width * 2 + step, step)]
    ImageDraw.Draw(mask).polygon([(0, height * 2), *ridge, (width * 2 + step, height * 2)], fill=255)
    half = mask.reduce(2)
    whole = Image.new("L", (width * 2, height), 0)
    whole.paste(half, (0, 0))
    whole.paste(half, (width, 0))
    return vertical((width * 2, height), colours), whole


def _waves(random: Random, *, count: int, sharp: float) -> Callable[[float], float]:
    terms = [(random.randint(1 + n, 3 + 2 * n), random.uniform(0, math.tau), 0.8**n) for n in range(count)]
    total = sum(weight for *_, weight in terms)

    def outline(x: float) -> float:
        height = sum(weight * math.sin(math.tau * cycles * x + phase) for cycles, phase, weight in terms) / total
        return 0.58 + 0.38 * (height if sharp == 1 else math.copysign(abs(height) ** sharp, height))

    return outline


class Scene:
    """A landscape that moves; the same seed, size and palette give the same frames."""

    def __init__(self, seed: str, size: Size, *, palette: Palette | None = None) -> None:
        random = Random(seed)  # noqa: S311 - looks, no secrets
        self.size = size
        self.palette = palette or random.choice(PALETTES)
        self._unit = min(size)
        self._sky = self._paint_sky(random)
        kind = random.choice((self._hills, self._city, self._sea))
        self._layers = _seen(kind(random))
        self._light = glow(round(self._unit * 0.7), core=0.26)
        self._light_at = random.uniform(0.2, 0.75), random.uniform(0.2, 0.34)
        self._floaters = [self._balloon(random, accent) for accent in self.palette.accents]
        self._sparks = [self._spark(random) for _ in range(26)]
        self._spark_masks = [glow(max(4, round(self._unit * share)), core=0.3) for share in (0.012, 0.02, 0.034)]

    def frame(self, moment: float) -> Image.Image:
        """The picture at *moment*, in seconds."""
        picture = self._sky.copy()
        self._place_light(picture, moment)
        half = len(self._layers) - 1
        for layer in self._layers[:half]:
            self._place_layer(picture, layer, moment)
        for floater in self._floaters:
            self._place_floater(picture, floater, moment)
        for layer in self._layers[half:]:
            self._place_layer(picture, layer, moment)
        self._place_sparks(picture, moment)
        return picture

    # What is painted once.

    def _paint_sky(self, random: Random) -> Image.Image:
        sky = vertical(self.size, self.palette.sky)
        draw = ImageDraw.Draw(sky)
        width, height = self.size
        for _ in range(140 if self.palette.night else 0):
            x, y = random.uniform(0, width), random.uniform(0, 1) ** 1.6 * height * 0.7
            radius = random.uniform(0.3, 1.0) * max(0.8, self._unit / 500)
            draw.ellipse(
                (x - radius, y - radius, x + radius, y + radius),
                fill=mix(self.palette.sky[0], (255, 255, 255), random.uniform(0.3, 0.9)),
            )
        return sky

    def _shades(self, depth: float) -> list[Colour]:
        """The colours of a layer, crest to foot: the farther, the more of the sky is in it."""
        near = mix(self.palette.sky[2], self.palette.ground, 0.25 + 0.75 * depth)
        return [near, mix(near, self.palette.ground, 0.6)]

    def _hills(self, random: Random) -> list[Layer]:
        width, height = self.size
        layers = []
        for number, depth in enumerate((0.0, 0.35, 0.7, 1.0)):
            tall = round(height * (0.52 - 0.1 * number))
            outline = _waves(random, count=3 + number, sharp=0.8 if number < 2 else 1)
            colours, mask = _strip(self.size, tall, outline, self._shades(depth))
            layers.append(Layer(colours, mask, height - tall, width * (0.01 + 0.03 * number), 0))
        return layers

    def _sea(self, random: Random) -> list[Layer]:
        width, height = self.size
        water = mix(self.palette.sky[0], self.palette.accents[2], 0.3)
        layers = []
        for number in range(4):
            tall = round(height * (0.42 - 0.085 * number))
            cycles, phase = random.randint(4, 7) - number // 2, random.uniform(0, math.tau)
            colour = mix(mix(self.palette.sky[2], water, 0.55), self.palette.ground, number / 3.6)

            def outline(x: float, cycles: int = cycles, phase: float = phase) -> float:
                return (
                    0.9 + 0.05 * math.sin(math.tau * cycles * x + phase) + 0.04 * math.sin(math.tau * (cycles + 3) * x)
                )

            colours, mask = _strip(
                self.size,
                tall,
                outline,
                [mix(colour, self.palette.light, 0.3), colour, mix(colour, self.palette.ground, 0.5)],
            )
            direction = 1 if number % 2 else -1
            layers.append(
                Layer(
                    colours,
                    mask,
                    height - tall,
                    direction * width * (0.02 + 0.02 * number),
                    self._unit * 0.008 * (number + 1),
                )
            )
        return layers

    def _city(self, random: Random) -> list[Layer]:
        width, height = self.size
        layers = []
        for number, depth in enumerate((0.15, 0.6, 1.0)):
            tall = round(height * (0.6 - 0.13 * number))
            strip, mask = self._skyline(random, tall, self._shades(depth), lit=0.25 + 0.2 * number)
            layers.append(Layer(strip, mask, height - tall, width * (0.012 + 0.025 * number), 0))
        return layers

    def _skyline(
        self, random: Random, tall: int, shades: Sequence[Colour], *, lit: float
    ) -> tuple[Image.Image, Image.Image]:
        width = self.size[0]
        strip, mask = vertical((width, tall), shades), Image.new("L", (width, tall), 0)
        paint, cut = ImageDraw.Draw(strip), ImageDraw.Draw(mask)
        pane = max(2, self._unit // 120)
        window = mix(shades[0], self.palette.light, 0.85)
        left = 0
        while left < width:
            right = min(width, left + random.randint(pane * 8, pane * 18))
            roof = round(tall * random.uniform(0.05, 0.7))
            cut.rectangle((left, roof, right - 1, tall), fill=255)
            for x in range(left + pane, right - 2 * pane, pane * 3):
                for y in range(roof + 2 * pane, tall, pane * 4):
                    if random.random() < lit * 0.6:
                        paint.rectangle((x, y, x + pane, y + round(pane * 1.6)), fill=window)
            left = right + random.choice((0, 0, pane * 2))
        return _doubled(strip), _doubled(mask)

    def _balloon(self, random: Random, colour: Colour) -> Floater:
        tall = round(self._unit * random.uniform(0.13, 0.24))
        return Floater(
            _balloon(tall, colour, mix(colour, (255, 255, 255), 0.55), self.palette.ground),
            x=random.uniform(0, 1),
            y=random.uniform(0.1, 0.42),
            drift=random.choice((-1, 1)) * random.uniform(0.02, 0.06),
            sway=random.uniform(0.015, 0.035),
            phase=random.uniform(0, math.tau),
        )

    def _spark(self, random: Random) -> tuple[float, float, float, float, int]:
        return (
            random.random(),
            random.random(),
            random.uniform(0.03, 0.1),
            random.uniform(0, math.tau),
            random.randrange(3),
        )

    # What moves in each frame.

    def _place_light(self, picture: Image.Image, moment: float) -> None:
        width, height = self.size
        x = round(self._light_at[0] * width + moment * self._unit * 0.006) - self._light.width // 2
        y = round(self._light_at[1] * height - math.sin(moment * 0.2) * self._unit * 0.03) - self._light.height // 2
        picture.paste(self.palette.light, (x, y), self._light)

    def _place_layer(self, picture: Image.Image, layer: Layer, moment: float) -> None:
        width = self.size[0]
        offset = round(moment * layer.speed) % width
        box = (offset, 0, offset + width, layer.mask.height)
        top = layer.top + round(layer.bob * (1 + math.sin(moment * 1.7 + layer.top)))
        picture.paste(layer.colours.crop(box), (0, top), layer.mask.crop(box))

    def _place_floater(self, picture: Image.Image, floater: Floater, moment: float) -> None:
        width, height = self.size
        span = width + floater.image.width
        x = (floater.x * span + floater.drift * moment * width) % span - floater.image.width
        y = (floater.y + floater.sway * math.sin(moment * 0.9 + floater.phase)) * height
        picture.paste(floater.image, (round(x), round(y)), floater.image)

    def _place_sparks(self, picture: Image.Image, moment: float) -> None:
        width, height = self.size
        for x, y, rise, phase, kind in self._sparks:
            mask = self._spark_masks[kind]
            left = (x + 0.02 * math.sin(moment * 1.3 + phase)) * width
            top = ((y - rise * moment) % 1.1 - 0.05) * height
            picture.paste(self.palette.light, (round(left), round(top)), mask)


def _seen(layers: Sequence[Layer]) -> list[Layer]:
    """The layers without what nearer ones hide for good: it would be painted for nothing."""
    seen = [layers[-1]]
    for layer, nearer in zip(reversed(layers[:-1]), reversed(layers[1:]), strict=True):
        rows = nearer.mask.resize((1, nearer.mask.height), Image.Resampling.BOX).tobytes()
        solid = next((row for row, value in enumerate(rows) if value == 255), len(rows))
        height = max(1, min(layer.mask.height, round(nearer.top + solid + 2 * nearer.bob) + 1 - layer.top))
        box = (0, 0, layer.mask.width, height)
        seen.insert(0, replace(layer, colours=layer.colours.crop(box), mask=layer.mask.crop(box)))
    return seen


def _doubled(strip: Image.Image) -> Image.Image:
    whole = Image.new(strip.mode, (strip.width * 2, strip.height))
    whole.paste(strip, (0, 0))
    whole.paste(strip, (strip.width, 0))
    return whole


def _balloon(tall: int, colour: Colour, stripe: Colour, basket: Colour) -> Image.Image:
    """A hot-air balloon, drawn four times too large and reduced."""
    scale = tall * 4
    wide = round(scale * 0.72)
    canvas = Image.new("RGBA", (wide, scale), (*colour, 0))
    draw = ImageDraw.Draw(canvas)
    draw.polygon(
        [
            (wide * 0.12, scale * 0.5),
            (wide * 0.88, scale * 0.5),
            (wide * 0.58, scale * 0.82),
            (wide * 0.42, scale * 0.82),
        ],
        fill=colour,
    )
    draw.ellipse((0, 0, wide - 1, scale * 0.72), fill=colour)
    shape = canvas.getchannel("A").copy()
    for share in (0.62, 0.22):
        draw.ellipse(
            (wide * (0.5 - share / 2), 0, wide * (0.5 + share / 2), scale * 0.72),
            fill=stripe if share == 0.62 else colour,
        )
    draw.polygon(
        [
            (wide * 0.42, scale * 0.68),
            (wide * 0.58, scale * 0.68),
            (wide * 0.54, scale * 0.82),
            (wide * 0.46, scale * 0.82),
        ],
        fill=colour,
    )
    canvas.putalpha(ImageChops.lighter(shape, Image.new("L", canvas.size, 0)))
    draw.line((wide * 0.43, scale * 0.8, wide * 0.45, scale * 0.9), fill=basket, width=max(2, scale // 120))
    draw.line((wide * 0.57, scale * 0.8, wide * 0.55, scale * 0.9), fill=basket, width=max(2, scale // 120))
    draw.rounded_rectangle((wide * 0.43, scale * 0.88, wide * 0.57, scale * 0.99), scale // 60, fill=basket)
    return canvas.reduce(4)
