"""Makes the frames of clips: scenes, pictures that come to life, changed sources, and who appears in them."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageOps

from sora2api.media import pictures
from sora2api.sandbox import typeset
from sora2api.sandbox.colours import PALETTES, Palette
from sora2api.sandbox.looks import Look
from sora2api.sandbox.orders import FPS, ClipOrder, Part, Portrait
from sora2api.sandbox.scenery import Scene
from sora2api.sandbox.typeset import Size

HOLD = 0.4
"""How long a clip that begins on a picture shows it bare, before words fade in over it, in seconds."""
FADE = 0.6
"""How long a fade takes, in seconds."""


def frames(order: ClipOrder, folder: Path) -> Iterator[Image.Image]:
    """The frames of a clip made anew or changed; `continued` has those of an extension."""
    bare = _changed(order, folder) if order.action == "change" else _made(order, folder)
    cast = [_Appearance(portrait, folder, order.size) for portrait in order.cast]
    total = sum(counts(order.parts))
    for number, frame in enumerate(bare):
        for place, appearance in enumerate(cast):
            place_portrait(frame, appearance.at(number), place)
        yield _signed(frame, number, total)


def continued(order: ClipOrder, last: Path) -> Iterator[Image.Image]:
    """New footage that begins on the picture *last* and leads over into a scene of its own."""
    (part,), total = order.parts, sum(counts(order.parts))
    old, scene = _opened(last), Scene(part.prompt, order.size)
    plate = typeset.panel(part.prompt, order.size, accent=scene.palette.accents[1], cover=True)
    for number in range(total):
        moment = number / FPS
        share = _fade(moment - 1 / FPS)
        frame = Image.blend(old, scene.frame(moment), share) if share else old.copy()
        typeset.place_panel(frame, plate, strength=share)
        yield _signed(frame, number, total)


def ahead(running: Iterator[Image.Image]) -> Iterator[Image.Image]:
    """The same frames, the next few of them painted in a thread while the present one is encoded."""
    with ThreadPoolExecutor(1) as painter:
        coming = deque(painter.submit(next, running, None) for _ in range(4))
        while (frame := coming.popleft().result()) is not None:
            coming.append(painter.submit(next, running, None))
            yield frame


def counts(parts: tuple[Part, ...]) -> list[int]:
    """How many frames each part has, so that each ends as close to its time as frames allow."""
    ends, moment = [0], 0.0
    for part in parts:
        moment += part.seconds
        ends.append(max(ends[-1] + 1, round(moment * FPS)))
    return [end - start for start, end in pairwise(ends)]


def transparency(path: Path, size: Size) -> Image.Image:
    """How opaque the mask at *path* is (L, of *size*): 255 where nothing may change."""
    return pictures.load(path).convert("RGBA").getchannel("A").resize(size, Image.Resampling.BILINEAR)


def portrait(picture: Image.Image, size: Size, name: str = "") -> Image.Image:
    """*picture* as a rounded inset (RGBA) for a picture of *size*, with a *name* below."""
    side = round(min(size) * 0.3)
    frame = max(2, side // 40)
    inset = Image.new("RGBA", (side, side), "white")
    inset.paste(ImageOps.fit(picture, (side - 2 * frame, side - 2 * frame)), (frame, frame))
    if name:
        plate = typeset.label((side * 3, side * 3), name[:24])
        plate.thumbnail((side - 4 * frame, side))
        inset.alpha_composite(plate, ((side - plate.width) // 2, side - plate.height - 2 * frame))
    mask = Image.new("L", (side * 2, side * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side * 2 - 1, side * 2 - 1), side // 5, fill=255)
    inset.putalpha(mask.reduce(2))
    return inset


def place_portrait(picture: Image.Image, inset: Image.Image, place: int) -> None:
    """Lays an inset into the upper left, the second beside the first."""
    edge = typeset.margin(picture.size)
    picture.paste(inset, (edge + place * (inset.width + edge), edge), inset)


class _Appearance:
    """A character on screen: its frames take turns."""

    def __init__(self, portrayed: Portrait, folder: Path, size: Size) -> None:
        self._insets = [portrait(_opened(folder / name), size, portrayed.name) for name in portrayed.pictures]

    def at(self, number: int) -> Image.Image:
        return self._insets[number // (FPS // 2) % len(self._insets)]


def _made(order: ClipOrder, folder: Path) -> Iterator[Image.Image]:
    several = len(order.parts) > 1
    for number, (part, count) in enumerate(zip(order.parts, counts(order.parts), strict=True)):
        heading = f"{number + 1} / {len(order.parts)}" if several else ""
        if order.image and number == 0:
            yield from _alive(_opened(folder / order.image), part, order.size, count=count, heading=heading)
        else:
            palette = PALETTES[(_place(order) + number * 3) % len(PALETTES)] if several else None
            yield from _scene(part, order.size, count=count, heading=heading, palette=palette)


def _place(order: ClipOrder) -> int:
    return sum(order.parts[0].prompt.encode())


def _scene(part: Part, size: Size, *, count: int, heading: str, palette: Palette | None) -> Iterator[Image.Image]:
    scene = Scene(part.prompt, size, palette=palette)
    plate = typeset.panel(part.prompt, size, accent=scene.palette.accents[1], heading=heading)
    for number in range(count):
        frame = scene.frame(number / FPS)
        typeset.place_panel(frame, plate)
        yield frame


def _alive(picture: Image.Image, part: Part, size: Size, *, count: int, heading: str) -> Iterator[Image.Image]:
    """The picture itself first; then the camera slowly moves in, and the words fade in over it."""
    start = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    plate = typeset.panel(part.prompt, size, accent=Look(part.prompt, start).accent, heading=heading, cover=True)
    for number in range(count):
        frame = start.resize(size, Image.Resampling.BILINEAR, box=_camera(size, number)) if number else start.copy()
        typeset.place_panel(frame, plate, strength=_fade(number / FPS - HOLD))
        yield frame


def _camera(size: Size, number: int) -> tuple[float, float, float, float]:
    """What part of the picture is seen: slowly less of it, towards the upper right.

    Words at the foot of the picture so sink below the plate with the new ones, and its mark stays below ours.
    """
    moment = number / FPS
    kept = 1 / (1 + 0.22 * (1 - 1 / (1 + moment / 6)))
    width, height = size
    return (1 - kept) * width, 0.0, width, kept * height


def _changed(order: ClipOrder, folder: Path) -> Iterator[Image.Image]:
    """The source, frame by frame, in another look and with the new words."""
    (part,) = order.parts
    running = _at_our_rate(folder / (order.source or ""), order.size, count=sum(counts(order.parts)))
    first = next(running)
    look = Look(part.prompt, first)
    plate = typeset.panel(part.prompt, order.size, accent=look.accent, cover=True)
    for frame in chain([first], running):
        changed = look.tone(frame)
        typeset.place_panel(changed, plate)
        yield changed


def _opened(path: Path) -> Image.Image:
    return pictures.flat(pictures.load(path))


def _at_our_rate(path: Path, size: Size, *, count: int) -> Iterator[Image.Image]:
    """*count* frames of a clip at our rate; its last frame stands when it has no more."""
    with av.open(str(path)) as container:
        last, number = None, 0
        for decoded in container.decode(video=0):
            due = round((decoded.time or 0.0) * FPS)
            while last is not None and number < min(due, count):
                yield last.copy()
                number += 1
            last = ImageOps.fit(decoded.to_image(), size)  # type: ignore[no-untyped-call]
        while last is not None and number < count:
            yield last.copy()
            number += 1


def _signed(frame: Image.Image, number: int, total: int) -> Image.Image:
    """*frame* with the mark, and a thin bar that shows how far the clip is."""
    typeset.place_label(frame)
    if number:
        tall = max(2, min(frame.size) // 160)
        reach = round(frame.width * (number + 1) / total)
        frame.paste((255, 255, 255), (0, frame.height - tall, reach, frame.height))
    return frame


def _fade(moment: float) -> float:
    return min(1.0, max(0.0, moment / FADE))
