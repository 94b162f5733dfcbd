"""Reads, checks, fits and converts pictures; plain functions on paths, to be run in a worker process.

Pillow is loaded where a function runs: a server, which only names them, stays small.
"""

import shutil
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sora2api.errors import InvalidImage
from sora2api.media.sniff import HEAD, Sniffed, sniff

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 64_000_000
_TOO_LARGE = f"The image is too large: {MAX_PIXELS // 1_000_000} megapixels are the limit."
_LONGEST_SIDE = {"image/png": 2**31 - 1, "image/jpeg": 65_500, "image/webp": 16_383}
"""What the formats that are written here can hold, in pixels."""

_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
}
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, struct.error, zlib.error)
"""What Pillow's readers raise over bytes that are not what they should be."""


class Picture(msgspec.Struct, frozen=True):
    """A still picture; its size is the upright one, in pixels."""

    width: int
    height: int
    content_type: str


def probe(path: Path) -> Picture:
    """Decodes the whole picture. Raises InvalidImage if it is none, damaged, cut off or too large."""
    with _decoded(path) as (image, sniffed):
        sideways = _orientation(image) in {5, 6, 7, 8}
        width, height = reversed(image.size) if sideways else image.size
        return Picture(width=width, height=height, content_type=sniffed.content_type)


def fit(source: Path, target: Path, *, size: tuple[int, int]) -> Picture:
    """Makes an upright PNG of exactly `size`: scaled until it covers, then cropped around the centre.

    An upright PNG of that size already is copied byte for byte.
    """
    from PIL import Image, ImageOps

    with _decoded(source) as (image, sniffed):
        if sniffed.content_type == "image/png" and image.size == size and _orientation(image) == 1:
            shutil.copyfile(source, target)
            return Picture(width=size[0], height=size[1], content_type="image/png")
        fitted = ImageOps.fit(_upright(image), size, Image.Resampling.LANCZOS)
    return save(fitted, target)


def inset(base: Path, insets: Sequence[Path], target: Path) -> Picture:
    """Draws the insets in a row along the bottom of the base, framed, each a third of its height at most; PNG."""
    from PIL import ImageOps

    canvas = flat(load(base))
    width, height = canvas.size
    margin = max(1, min(width, height) // 40)
    border = max(1, margin // 4)
    room = (
        max(1, (width - margin) // max(1, len(insets)) - margin - 2 * border),
        max(1, height // 3 - 2 * border),
    )
    left = margin
    for path in insets:
        framed = ImageOps.expand(ImageOps.contain(flat(load(path)), room), border=border, fill="white")
        canvas.paste(framed, (left, height - margin - framed.height))
        left += framed.width + margin
    return save(canvas, target)


def convert(source: Path, target: Path, *, content_type: str, quality: int = 90) -> Picture:
    """Writes the picture as PNG, JPEG (on white where it is transparent) or WebP.

    Raises InvalidImage if the format cannot hold a picture of that size.
    """
    return save(load(source), target, content_type=content_type, quality=quality)


def thumbnail(source: Path, target: Path, *, width: int = 480) -> Picture:
    """Writes a WebP of that width at most, in the picture's proportions; a picture is never enlarged."""
    image = load(source)
    image.thumbnail((width, 4 * width))
    return save(image, target, content_type="image/webp", quality=80)


def difference(a: Path, b: Path) -> float:
    """How far apart two pictures are, 0.0 to 1.0, whatever their sizes; see `distance`."""
    return distance(load(a), load(b))


def distance(a: "Image", b: "Image") -> float:
    """The mean absolute difference of both scaled to 64x64 RGB: 0.0 for equal, 1.0 for black and white."""
    from PIL import Image, ImageChops, ImageStat

    small = [flat(image).resize((64, 64), Image.Resampling.BOX) for image in (a, b)]
    means = ImageStat.Stat(ImageChops.difference(*small)).mean
    return sum(means) / len(means) / 255


def load(path: Path) -> "Image":
    """The picture upright, as RGB or RGBA. Raises InvalidImage as `probe` does."""
    with _decoded(path) as (image, _):
        return _upright(image)


def flat(image: "Image") -> "Image":
    """The picture as RGB, on white where it is transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def save(image: "Image", target: Path, *, content_type: str = "image/png", quality: int = 90) -> Picture:
    """Writes a picture in memory; `quality` means nothing to PNG."""
    if max(image.size) > _LONGEST_SIDE[content_type]:
        raise InvalidImage(f"A picture of {image.width}x{image.height} pixels is too large for {content_type}.")
    written = flat(image) if content_type == "image/jpeg" else image
    profile = image.info.get("icc_profile")
    options = {} if content_type == "image/png" else {"quality": quality}
    written.save(target, format=_FORMATS[content_type], icc_profile=profile, **options)
    return Picture(width=image.width, height=image.height, content_type=content_type)


@contextmanager
def _decoded(path: Path) -> "Iterator[tuple[Image, Sniffed]]":
    """The picture as it lies in the file, wholly decoded."""
    from PIL import Image

    with path.open("rb") as file:
        sniffed = sniff(file.read(HEAD))
        if sniffed is None or sniffed.kind != "image":
            raise InvalidImage("The file is not an image in a known format: PNG, JPEG, WebP, GIF or AVIF.")
        file.seek(0)
        try:
            with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
                image = Image.open(file, formats=[_FORMATS[sniffed.content_type]])
            if image.width * image.height > MAX_PIXELS:
                raise InvalidImage(_TOO_LARGE)
            image.verify()  # the checksums of a PNG, at which loading does not look
            file.seek(0)
            image = Image.open(file, formats=[_FORMATS[sniffed.content_type]])
            image.load()
        except Image.DecompressionBombError as error:
            raise InvalidImage(_TOO_LARGE) from error
        except _DAMAGE as error:
            raise InvalidImage("The image is damaged or cut off.") from error
        yield image, sniffed


def _orientation(image: "Image") -> int:
    from PIL import ExifTags

    orientation: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation


def _upright(image: "Image") -> "Image":
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip instead of scaling
        upright = upright.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    mode = "RGBA" if upright.has_transparency_data else "RGB"
    if upright.mode == mode:
        return upright
    if upright.mode not in {"RGB", "RGBA", "P"}:
        upright.info.pop("icc_profile", None)  # it describes the colours of another mode
    return upright.convert(mode)
