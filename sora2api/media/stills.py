"""Takes pictures out of clips: single frames, the best ones, posters, sprite sheets."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import msgspec
from PIL import Image, ImageFilter, ImageStat

from sora2api.errors import InvalidVideo
from sora2api.media.footage import TICK, frames, opened, probe, shown, upright
from sora2api.media.pictures import Picture, distance, save

_CANDIDATES = 24
_ALIKE = 0.005
"""Frames that differ by less (see `pictures.distance`) are the same picture to the eye."""


def frame_at(path: Path, target: Path, *, seconds: float) -> Picture:
    """Writes the frame shown at that time as PNG: the first one before the start, the last one after the end."""
    return save(_still(path, max(Fraction(0), Fraction(seconds))), target)


def first_frame(path: Path, target: Path) -> Picture:
    return frame_at(path, target, seconds=0)


def last_frame(path: Path, target: Path, *, before: float | None = None) -> Picture:
    """Writes the last frame as PNG; with `before`, the last that is shown before that time: where a trim ends."""
    end = Fraction(probe(path).seconds if before is None else before)
    return save(_still(path, max(Fraction(0), end - 2 * TICK)), target)


def poster(path: Path, target: Path, *, width: int = 480) -> Picture:
    """Writes the frame shown after a third of the clip as WebP, never enlarged."""
    image = _still(path, Fraction(probe(path).seconds) / 3)
    image.thumbnail((width, 4 * width))
    return save(image, target, content_type="image/webp", quality=80)


def spritesheet(path: Path, target: Path, *, columns: int = 5, rows: int = 5, width: int = 160) -> Picture:
    """Writes frames from all over the clip side by side, line by line, as JPEG; each `width` pixels wide."""
    clip = probe(path)
    height = max(1, round(width * clip.height / clip.width))
    sheet = Image.new("RGB", (columns * width, rows * height))
    with opened(path) as container:
        picked = shown(frames(container), _spread(clip.seconds, columns * rows))
        for place, frame in enumerate(picked):
            image = upright(frame).resize((width, height), reducing_gap=2.0)
            sheet.paste(image, (place % columns * width, place // columns * height))
    return save(sheet, target, content_type="image/jpeg", quality=80)


class _Candidate(msgspec.Struct, frozen=True):
    time: Fraction
    small: Image.Image
    merit: float


def best_frames(path: Path, folder: Path, *, count: int) -> list[Path]:
    """Writes the sharpest, well exposed, mutually different frames into the folder as PNG, in order of time.

    Fewer than `count` if the clip does not show so many different pictures, but always one.
    """
    chosen = _choose(_candidates(path, max(_CANDIDATES, 4 * count)), count)
    written: list[Path] = []
    for number, candidate in enumerate(sorted(chosen, key=lambda candidate: candidate.time)):
        target = folder / f"frame-{number}.png"
        frame_at(path, target, seconds=float(candidate.time))
        written.append(target)
    return written


def _candidates(path: Path, count: int) -> list[_Candidate]:
    times = _spread(probe(path).seconds, count)
    with opened(path) as container:
        found = shown(frames(container), times)
        return [_weighed(time, upright(frame, width=256, height=256)) for time, frame in zip(times, found, strict=True)]


def _weighed(time: Fraction, small: Image.Image) -> _Candidate:
    """Many strong edges are sharpness; a mean far from the middle is too dark or too bright."""
    grey = small.convert("L")
    sharpness = ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES)).stddev[0]
    exposure = 1 - abs(ImageStat.Stat(grey).mean[0] - 127.5) / 127.5
    return _Candidate(time=time, small=small, merit=(sharpness + 1) * (exposure + 0.05))


def _choose(candidates: Sequence[_Candidate], count: int) -> list[_Candidate]:
    """The best one, and then each time the best of what is unlike all that was chosen."""
    chosen = [max(candidates, key=lambda candidate: candidate.merit)]
    nearest = [distance(candidate.small, chosen[0].small) for candidate in candidates]
    while len(chosen) < count:
        best = max(range(len(candidates)), key=lambda at: candidates[at].merit * nearest[at])
        if nearest[best] < _ALIKE:
            break
        chosen.append(candidates[best])
        nearest = [
            min(near, distance(candidate.small, candidates[best].small))
            for near, candidate in zip(nearest, candidates, strict=True)
        ]
    return chosen


def _spread(seconds: float, count: int) -> list[Fraction]:
    """`count` moments in the middles of as many equal parts."""
    return [Fraction(seconds) * (2 * place + 1) / (2 * count) for place in range(count)]


def _still(path: Path, seconds: Fraction) -> Image.Image:
    for since in (seconds, Fraction(0)):  # a seek in a bad index may land behind the place, or nowhere
        with opened(path) as container:
            running = frames(container, since=since)
            first = next(running, None)
            if first is not None and (first[0] <= seconds + TICK or not since):
                return upright(next(shown(chain([first], running), [seconds])))
    raise InvalidVideo("The video has no frames.")
