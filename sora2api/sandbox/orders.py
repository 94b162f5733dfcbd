"""What is to be rendered: everything that matters to a picture or a clip, and the name that follows from it."""

import hashlib
from typing import Literal

import msgspec

from sora2api.sandbox.typeset import Size

RENDERER = 1
"""Counts up whenever the same order would look different, so that older files are not taken for it."""
FPS = 12


class Part(msgspec.Struct, frozen=True):
    """A stretch of a clip: what it shows, and for how long in seconds."""

    prompt: str
    seconds: float


class Portrait(msgspec.Struct, frozen=True):
    """A character: its name and the shelf's names of the frames that show it."""

    name: str
    pictures: tuple[str, ...]


class PictureOrder(msgspec.Struct, frozen=True, tag="picture"):
    """One picture; *images* and *mask* are the shelf's names of files, *number* tells several of a request apart."""

    prompt: str
    size: Size
    number: int = 0
    images: tuple[str, ...] = ()
    mask: str | None = None

    ending = ".png"


class ClipOrder(msgspec.Struct, frozen=True, tag="clip"):
    """One clip: made anew of *parts* (begun on *image*), or of *source* by changing or extending it."""

    action: Literal["make", "change", "extend"]
    size: Size
    parts: tuple[Part, ...]
    image: str | None = None
    source: str | None = None
    cast: tuple[Portrait, ...] = ()

    ending = ".mp4"


Order = PictureOrder | ClipOrder


def name_of(order: Order) -> str:
    """The name of the file that *order* renders to: the same order, the same name."""
    said = msgspec.json.encode((RENDERER, order))
    return hashlib.sha256(said).hexdigest() + order.ending


def length(order: ClipOrder) -> float:
    """What the parts take together, in seconds."""
    return sum(part.seconds for part in order.parts)
