"""Paints lively landscapes from a seed: a sky, layers that drift past each other, things that float, and sparks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from PIL import Image, ImageDraw

from sora2api.sandbox.colours import PALETTES, Colour, Palette, glow, mix, vertical
from sora2api.sandbox.typeset import Size


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
    mask = Image.new("L", (width * 2, height * 2), 0)  # twice too large, for smooth edges
    step = max(2, width // 160)
    ridge = [(x, (1 - outline(x / (width * 2))) * height * 2) for x in range(0, width * 2 + step, step)]
    ImageDraw.Draw(mask).polygon([(0, height * 2), *ridge, (width * 2 + step, height * 2)], fill=255)
    return vertical((width * 2, height), colours), _doubled(mask.reduce(2))


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
        *far, nearest = self._layers
        for layer in far:
            self._place_layer(picture, layer, moment)
        for floater in self._floaters:
            self._place_floater(picture, floater, moment)
        self._place_layer(picture, nearest, moment)
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
        return [self._swell(random, number) for number in range(4)]

    def _swell(self, random: Random, number: int) -> Layer:
        """One of four layers of water, far to near; each runs against the one before."""
        width, height = self.size
        tall = round(height * (0.42 - 0.085 * number))
        cycles, phase = random.randint(4, 7) - number // 2, random.uniform(0, math.tau)

        def outline(x: float) -> float:
            long, short = math.sin(math.tau * cycles * x + phase), math.sin(math.tau * (cycles + 3) * x)
            return 0.9 + 0.05 * long + 0.04 * short

        palette = self.palette
        water = mix(palette.sky[2], mix(palette.sky[0], palette.accents[2], 0.3), 0.55)
        colour = mix(water, palette.ground, number / 3.6)
        shades = [mix(colour, palette.light, 0.3), colour, mix(colour, palette.ground, 0.5)]
        colours, mask = _strip(self.size, tall, outline, shades)
        speed = (1 if number % 2 else -1) * width * (0.02 + 0.02 * number)
        return Layer(colours, mask, height - tall, speed, self._unit * 0.008 * (number + 1))

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
    high = tall * 4
    wide = round(high * 0.72)
    canvas = Image.new("RGBA", (wide, high), (*colour, 0))
    draw = ImageDraw.Draw(canvas)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        """Points given in parts of the width and the height."""
        return [(x * wide, y * high) for x, y in points]

    draw.polygon(at((0.12, 0.5), (0.88, 0.5), (0.58, 0.82), (0.42, 0.82)), fill=colour)
    draw.ellipse(at((0, 0), (0.999, 0.72)), fill=colour)
    shape = canvas.getchannel("A")
    draw.ellipse(at((0.19, 0), (0.81, 0.72)), fill=stripe)
    draw.ellipse(at((0.39, 0), (0.61, 0.72)), fill=colour)
    draw.polygon(at((0.42, 0.68), (0.58, 0.68), (0.54, 0.82), (0.46, 0.82)), fill=colour)
    canvas.putalpha(shape)
    for top, bottom in ((0.43, 0.45), (0.57, 0.55)):
        draw.line(at((top, 0.8), (bottom, 0.9)), fill=basket, width=max(2, high // 120))
    draw.rounded_rectangle(at((0.43, 0.88), (0.57, 0.99)), high // 60, fill=basket)
    return canvas.reduce(4)
