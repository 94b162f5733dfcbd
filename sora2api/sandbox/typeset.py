"""Sets type: the shipped font, wrapping that also knows scripts without spaces, and the plates that carry words."""

import re
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

Size = tuple[int, int]

LONGEST = 400
"""How many characters of a prompt are drawn at most."""
LABEL = "SANDBOX"
INK = (255, 255, 255)
PLATE = (10, 12, 24)

_WIDE = "\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_CLOSING = "、。，．！？；：）》」』】〕〉％,.!?;:)\\]}…"
_OPENING = "（《「『【〔〈(\\[{"
_TOKEN = re.compile(rf"\s+|[{_OPENING}]*[{_WIDE}][{_CLOSING}]*|[^\s{_WIDE}]+[{_CLOSING}]*")


@cache
def _font_file() -> bytes:
    return files(__package__).joinpath("fonts", "SandboxSans-Bold.otf").read_bytes()


@lru_cache(maxsize=64)
def font(height: int) -> ImageFont.FreeTypeFont:
    """The shipped font; characters that it lacks are drawn as nothing, with no width."""
    return ImageFont.truetype(BytesIO(_font_file()), height, layout_engine=ImageFont.Layout.BASIC)


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Breaks at spaces, between wide characters (but not before closing punctuation), and inside words too long."""
    lines, line = [], ""
    for token in _TOKEN.findall(text):
        if token.isspace():
            line = f"{line} " if line and not line.endswith(" ") else line
            continue
        if not face.getlength(token):
            continue
        if line and face.getlength(line + token) > width:
            lines.append(line.rstrip())
            line = ""
        line += token
        if face.getlength(token) > width:
            *full, line = _chop(line, face, width)
            lines += full
    return [*lines, line.rstrip()] if line.strip() else lines


def _chop(word: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    pieces, piece = [], ""
    for character in word:
        if piece and face.getlength(piece + character) > width:
            pieces.append(piece)
            piece = ""
        piece += character
    return [*pieces, piece]


def _largest(text: str, box: Size, *, tallest: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest type in which *text* fills no more than *box*; the smallest cuts it off with an ellipsis."""
    width, height = box
    smallest = max(10, tallest // 3)
    for points in range(tallest, smallest - 1, -max(1, tallest // 10)):
        face = font(points)
        lines = wrap(text, face, width)
        if len(lines) * _leading(points) <= height:
            return face, lines
    face = font(smallest)
    room = max(1, height // _leading(smallest))
    lines = wrap(text, face, width)
    if len(lines) > room:
        lines = lines[:room]
        lines[-1] = lines[-1][:-1].rstrip() + "…"
    return face, lines


def _leading(points: int) -> int:
    return round(points * 1.32)


def panel(
    text: str, size: Size, *, accent: tuple[int, int, int], heading: str = "", cover: bool = False
) -> Image.Image:
    """A plate (RGBA) with *text* in large type, for the foot of a picture of *size*.

    All plates for one size are alike in shape, so that one that is to *cover* an older one hides it.
    """
    unit = min(size)
    pad, tallest = max(6, unit // 34), max(12, unit // 17)
    plate = _plate((size[0] - 2 * margin(size), 2 * _leading(tallest) + 2 * pad), radius=pad, cover=cover)
    small = font(max(9, round(tallest * 0.58)))
    top = _leading(round(small.size)) if heading else 0
    words = text.strip() if len(text) <= LONGEST else text[:LONGEST].strip() + "…"
    face, lines = _largest(words, (plate.width - 4 * pad, plate.height - 2 * pad - top), tallest=tallest)
    draw, leading = ImageDraw.Draw(plate), _leading(round(face.size))
    draw.rounded_rectangle((pad * 0.8, pad, pad * 0.8 + max(3, pad // 4), plate.height - pad), pad // 8, fill=accent)
    block = top + len(lines) * leading
    first = (plate.height - block) / 2
    draw.text((2 * pad, first + top * 0.45), heading, font=small, fill=accent, anchor="lm")
    for number, line in enumerate(lines):
        draw.text((2 * pad, first + top + (number + 0.47) * leading), line, font=face, fill=INK, anchor="lm")
    return plate


@lru_cache(maxsize=8)
def label(size: Size, text: str = LABEL) -> Image.Image:
    """The mark that is on everything made here (RGBA)."""
    points = max(8, min(size) // 26)
    face = font(points)
    width = round(sum(face.getlength(character) + points * 0.12 for character in text))
    plate = _plate((width + points, round(points * 1.7)), radius=points * 0.85)
    draw, x = ImageDraw.Draw(plate), points * 0.55
    for character in text:
        draw.text((x, plate.height / 2), character, font=face, fill=INK, anchor="lm")
        x += face.getlength(character) + points * 0.12
    return plate


def place_panel(picture: Image.Image, plate: Image.Image, *, strength: float = 1.0) -> None:
    """Lays a panel at the foot of *picture*; *strength* below 1 lets it fade in."""
    mask = plate.getchannel("A")
    if strength < 1:
        mask = mask.point([round(value * strength) for value in range(256)])
    edge = margin(picture.size)
    picture.paste(plate.convert("RGB"), (edge, picture.height - edge - plate.height), mask)


def place_label(picture: Image.Image) -> None:
    """Marks *picture* in its upper right corner."""
    plate, edge = label(picture.size), margin(picture.size)
    picture.paste(plate, (picture.width - edge - plate.width, edge), plate)


def margin(size: Size) -> int:
    """How far plates stay from the edges of a picture of *size*."""
    return max(6, min(size) // 26)


def _plate(size: Size, *, radius: float, cover: bool = False) -> Image.Image:
    """A dark rounded rectangle with smooth corners."""
    mask = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, mask.width - 1, mask.height - 1), radius * 2, fill=255 if cover else 178
    )
    plate = Image.new("RGBA", size, PLATE)
    plate.putalpha(mask.reduce(2))
    return plate
