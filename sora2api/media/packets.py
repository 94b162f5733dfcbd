"""Finds out which packets of a clip can be copied as they are, and whether they can follow another clip's."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer
from av.video.stream import VideoStream

from sora2api.media.clip import Clip
from sora2api.media.footage import TICK, frames, opened, shown, sound_of, start_of, video_of

_CONTAINERS = {"video/mp4", "video/quicktime"}
_CODECS = {"h264", "hevc", "av1"}
_OVERHANG = Fraction(1, 8)
"""For how many seconds more the last frame may stay; one of a slide show can stay for minutes."""

Form = tuple[object, ...]
"""What has to be equal for packets to follow one another in one track."""


class Run(NamedTuple):
    """The packets at the start of a clip that are copied; times in ticks from when its first frame is shown."""

    form: Form
    time_base: Fraction
    packets: int
    first: int
    """When the first packet is decoded."""

    last: int
    """When the last packet is decoded."""

    end: int
    """When the last frame ends."""


class _Mark(NamedTuple):
    shown: int
    decoded: int
    duration: int
    key: bool


def run_of(path: Path, clip: Clip, seconds: Fraction) -> Run | None:
    """The packets that are shown before that time, if they are just the first ones in the file.

    With B-frames a packet that is shown later may have to be decoded before; then the cut cannot be copied.
    """
    if clip.content_type not in _CONTAINERS or clip.codec not in _CODECS:
        return None
    with opened(path) as container:
        video = video_of(container)
        time_base = video.time_base or Fraction(1)
        context = video.codec_context
        form = (clip.codec, video.width, video.height, video.pix_fmt, time_base, context.extradata, _turn(path))
        marks = _marks(container, video)
    limit = (seconds - TICK) / time_base
    count = next((place for place, mark in enumerate(marks) if mark.shown >= limit), len(marks))
    taken, left = marks[:count], marks[count:]
    if not taken or not taken[0].key or any(mark.shown < limit for mark in left):
        return None
    end = max(mark.shown + mark.duration for mark in taken)
    if end * time_base > seconds + _OVERHANG:
        return None
    return Run(form, time_base, count, taken[0].decoded, taken[-1].decoded, end)


def in_a_row(runs: Sequence[Run]) -> bool:
    """Whether they can be one track: of one form, and each packet decoded later than the one before it."""
    follows = all(earlier.last - earlier.end < later.first for earlier, later in pairwise(runs))
    return follows and len({run.form for run in runs}) == 1


def form_of_sound(path: Path) -> Form | None:
    with opened(path) as container:
        track = sound_of(container)
        if track is None:
            return None
        context = track.codec_context
        return track.codec.name, track.rate, track.layout.name, track.time_base, context.extradata


def _turn(path: Path) -> int:
    """By how many degrees the picture is turned when it is shown."""
    with opened(path) as container:
        return next(shown(frames(container), [Fraction(0)])).rotation


def _marks(container: InputContainer, video: VideoStream) -> list[_Mark]:
    """When each packet is shown and decoded; nothing if some say no time, or are not to be shown at all."""
    start = start_of(video)
    marks: list[_Mark] = []
    for packet in container.demux(video):
        if packet.dts is None and not packet.size:
            continue  # it only flushes a decoder
        if packet.pts is None or packet.dts is None or packet.is_discard:
            return []
        marks.append(_Mark(packet.pts - start, packet.dts - start, packet.duration or 0, packet.is_keyframe))
    return marks
