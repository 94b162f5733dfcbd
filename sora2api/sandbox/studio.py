"""Renders orders to files, in worker processes: pictures here, the frames of clips by footage.py."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageOps

from sora2api.media import clips, pictures
from sora2api.sandbox import footage, typeset
from sora2api.sandbox.colours import Colour
from sora2api.sandbox.looks import Look
from sora2api.sandbox.orders import FPS, ClipOrder, Order, PictureOrder
from sora2api.sandbox.scenery import Scene
from sora2api.sandbox.shelf import Shelf, written

ROOM_FOR_WORDS = 160
"""The shortest side of a masked area that the words and the mark fit in, in pixels."""


def render(order: Order, folder: Path, target: Path) -> None:
    """Renders *order* to *target*, whole or not at all; the files that it names are in *folder*."""
    written(target, lambda part: _render(order, folder, part))


def derive(function: Callable[[Path, Path], object], source: Path, target: Path) -> None:
    """Has *function* make *target* of *source*, whole or not at all."""
    written(target, lambda part: function(source, part))


def faces(clip: Path, folder: Path, count: int) -> tuple[str, ...]:
    """Puts the best frames of a clip on the shelf in *folder*; returns their names. Raises InvalidVideo."""
    with TemporaryDirectory() as found:
        return tuple(_shelved(path, Shelf(folder)) for path in clips.best_frames(clip, Path(found), count=count))


def _shelved(path: Path, shelf: Shelf) -> str:
    with path.open("rb") as file:
        return shelf.put(file, ending=path.suffix)


def _render(order: Order, folder: Path, target: Path) -> None:
    if isinstance(order, PictureOrder):
        _picture(order, folder).save(target, format="PNG", compress_level=2)
    elif order.action == "extend" and order.source:
        _extension(order, folder, target)
    else:
        _encode(footage.frames(order, folder), target, order)


def _encode(frames: Iterator[Image.Image], target: Path, order: ClipOrder) -> None:
    clips.encode(footage.ahead(frames), target, size=order.size, fps=FPS)


def _extension(order: ClipOrder, folder: Path, target: Path) -> None:
    """The source, and new footage that begins on its last frame."""
    source = folder / (order.source or "")
    added, last = target.with_suffix(".added.mp4"), target.with_suffix(".last.png")
    try:
        clips.last_frame(source, last)
        _encode(footage.continued(order, last), added, order)
        clips.join([source, added], target)
    finally:
        added.unlink(missing_ok=True)
        last.unlink(missing_ok=True)


def _picture(order: PictureOrder, folder: Path) -> Image.Image:
    if order.images:
        return _edited(order, folder)
    scene = Scene(f"{order.prompt}\n{order.number}", order.size)
    return _signed(scene.frame(2.0 + order.number), order.prompt, accent=scene.palette.accents[1])


def _edited(order: PictureOrder, folder: Path) -> Image.Image:
    """The first picture changed, the others inset; with a mask, only where that is transparent."""
    first, *others = (pictures.flat(pictures.load(folder / name)) for name in order.images)
    before = ImageOps.fit(first, order.size, Image.Resampling.LANCZOS)
    look = Look(f"{order.prompt}\n{order.number}", before)
    after = look.paint(before)
    for number, other in enumerate(others):
        footage.place_portrait(after, footage.portrait(other, order.size), number)
    if not order.mask:
        return _signed(after, order.prompt, accent=look.accent, cover=True)
    kept = footage.transparency(folder / order.mask, order.size)
    return _masked(before, after, kept, order.prompt, accent=look.accent)


def _masked(before: Image.Image, after: Image.Image, kept: Image.Image, prompt: str, *, accent: Colour) -> Image.Image:
    """*after* where *kept* (L) is black, *before* where it is white; the words are in the changed area too."""
    area = ImageOps.invert(kept).getbbox() or (0, 0, *after.size)
    part = after.crop(area)
    if min(part.size) >= ROOM_FOR_WORDS:
        after.paste(_signed(part, prompt, accent=accent, cover=True), area[:2])
    whole = Image.composite(before, after, kept)
    if not _mark_is_in(kept, area):
        typeset.place_label(whole)
    return whole


def _mark_is_in(kept: Image.Image, area: tuple[int, int, int, int]) -> bool:
    """Whether the mark in the corner of *area* is all in what may change."""
    left, top, right, bottom = area
    mark, edge = typeset.label((right - left, bottom - top)), typeset.margin((right - left, bottom - top))
    corner = kept.crop((right - edge - mark.width, top, right, top + edge + mark.height))
    return min(right - left, bottom - top) >= ROOM_FOR_WORDS and corner.getextrema() == (0, 0)


def _signed(picture: Image.Image, prompt: str, *, accent: Colour, cover: bool = False) -> Image.Image:
    typeset.place_panel(picture, typeset.panel(prompt, picture.size, accent=accent, cover=cover))
    typeset.place_label(picture)
    return picture
