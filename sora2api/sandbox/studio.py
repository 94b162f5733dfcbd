"""Renders orders to files, in worker processes: pictures here, the frames of clips by footage.py."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageFilter, ImageOps

from sora2api.media import clips, pictures
from sora2api.sandbox import footage, typeset
from sora2api.sandbox.looks import Look
from sora2api.sandbox.orders import FPS, ClipOrder, Order, PictureOrder
from sora2api.sandbox.scenery import Scene
from sora2api.sandbox.shelf import Shelf, written


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
        clips.encode(footage.frames(order, folder), target, size=order.size, fps=FPS)


def _extension(order: ClipOrder, folder: Path, target: Path) -> None:
    """The source, and new footage that begins on its last frame."""
    source = folder / (order.source or "")
    added, last = target.with_suffix(".added.mp4"), target.with_suffix(".last.png")
    try:
        clips.last_frame(source, last)
        clips.encode(footage.continued(order, last), added, size=order.size, fps=FPS)
        clips.join([source, added], target)
    finally:
        added.unlink(missing_ok=True)
        last.unlink(missing_ok=True)


def _picture(order: PictureOrder, folder: Path) -> Image.Image:
    if order.images:
        picture, accent = _edited(order, folder)
    else:
        scene = Scene(f"{order.prompt}\n{order.number}", order.size)
        picture, accent = scene.frame(2.0 + order.number), scene.palette.accents[1]
    typeset.place_panel(picture, typeset.panel(order.prompt, order.size, accent=accent))
    typeset.place_label(picture)
    return picture


def _edited(order: PictureOrder, folder: Path) -> tuple[Image.Image, tuple[int, int, int]]:
    look = Look(f"{order.prompt}\n{order.number}")
    first, *others = (pictures.flat(pictures.load(folder / name)) for name in order.images)
    before = ImageOps.fit(first, order.size, Image.Resampling.LANCZOS)
    after = look.paint(before)
    for number, other in enumerate(others):
        footage.place_portrait(after, footage.portrait(other, order.size), number)
    if order.mask:
        kept = footage.transparency(folder / order.mask, order.size).filter(ImageFilter.GaussianBlur(1))
        after = Image.composite(before, after, kept)
    return after, look.accent
