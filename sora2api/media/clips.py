"""All that is done with clips, under one name: probing, encoding, frames, cutting, joining.

Plain functions on paths, to be run in a worker process. What cannot be read raises InvalidVideo. PyAV is loaded where
a function runs: a server, which only names them, stays small.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sora2api.media.clip import Clip
from sora2api.media.pictures import Picture

if TYPE_CHECKING:
    from PIL.Image import Image


def probe(path: Path) -> Clip:
    """Decode the first frame and read to the end. InvalidVideo if it is none, damaged or cut off."""
    from sora2api.media import footage

    return footage.probe(path)


def encode(frames: "Iterable[Image]", target: Path, *, size: tuple[int, int], fps: int) -> Clip:
    """Write frames as an H.264 MP4. ValueError for an odd size."""
    from sora2api.media import encoding

    return encoding.encode(frames, target, size=size, fps=fps)


def trim(source: Path, target: Path, *, seconds: float) -> Clip:
    """Write the first *seconds*, copied where that is exact."""
    from sora2api.media import splice

    return splice.trim(source, target, seconds=seconds)


def join(sources: Sequence[Path], target: Path) -> Clip:
    """Write one after the other, copied where they are alike, else as the first one is."""
    from sora2api.media import splice

    return splice.join(sources, target)


def frame_at(path: Path, target: Path, *, seconds: float) -> Picture:
    """Write the frame shown at that time as PNG."""
    from sora2api.media import stills

    return stills.frame_at(path, target, seconds=seconds)


def first_frame(path: Path, target: Path) -> Picture:
    from sora2api.media import stills

    return stills.first_frame(path, target)


def last_frame(path: Path, target: Path, *, before: float | None = None) -> Picture:
    """Write the last frame as PNG; with *before*, the last that is shown before that time."""
    from sora2api.media import stills

    return stills.last_frame(path, target, before=before)


def best_frames(path: Path, folder: Path, *, count: int) -> list[Path]:
    """Write the sharpest and most different frames into *folder* as PNG, in order of time."""
    from sora2api.media import stills

    return stills.best_frames(path, folder, count=count)


def poster(path: Path, target: Path, *, width: int = 480) -> Picture:
    """Write a frame as WebP, never enlarged."""
    from sora2api.media import stills

    return stills.poster(path, target, width=width)


def spritesheet(path: Path, target: Path, *, columns: int = 5, rows: int = 5, width: int = 160) -> Picture:
    """Write frames from all over the clip as one JPEG, each *width* pixels wide."""
    from sora2api.media import stills

    return stills.spritesheet(path, target, columns=columns, rows=rows, width=width)


__all__ = [
    "Clip",
    "best_frames",
    "encode",
    "first_frame",
    "frame_at",
    "join",
    "last_frame",
    "poster",
    "probe",
    "spritesheet",
    "trim",
]
