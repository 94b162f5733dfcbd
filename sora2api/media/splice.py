"""Cuts clips to length and joins them, without encoding again where the packets allow it."""

import heapq
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path
from typing import NamedTuple

from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import ImageOps

from sora2api.media import sound
from sora2api.media.clip import Clip
from sora2api.media.encoding import AnyPacket, add_sound, add_video, created, paced, painted
from sora2api.media.footage import TICK, frames, opened, probe, shown, sound_of, start_of, upright, video_of
from sora2api.media.packets import Form, Run, form_of_sound, in_a_row, run_of
from sora2api.media.sound import Stretch

_COPIED_SOUND = {"aac", "mp3"}
_LEAST_RATE, _MOST_RATE = 10, 120


def trim(source: Path, target: Path, *, seconds: float) -> Clip:
    """Writes the first `seconds` of the clip (to the frame), with their sound, as MP4.

    An MP4 that is no longer than that is copied byte for byte.
    """
    if seconds <= 0:
        raise ValueError("A clip cannot be trimmed to nothing.")
    part = _examine(source, seconds)
    if part.clip.seconds <= seconds + TICK and part.clip.content_type == "video/mp4":
        shutil.copyfile(source, target)
        return part.clip
    return _assemble([part], target)


def join(sources: Sequence[Path], target: Path) -> Clip:
    """Writes the clips one after the other as MP4, in the first one's size and frame rate.

    If any of them has sound the whole has, and is silent where a clip is.
    """
    if not sources:
        raise ValueError("There is nothing to join.")
    return _assemble([_examine(source) for source in sources], target)


class _Part(NamedTuple):
    path: Path
    clip: Clip
    seconds: Fraction
    """How much of it is used, from its start."""

    run: Run | None
    """None if copied packets would not show exactly that."""

    sound: Form | None
    """None if there is none."""


def _examine(path: Path, seconds: float | None = None) -> _Part:
    clip = probe(path)
    used = Fraction(clip.seconds if seconds is None else min(seconds, clip.seconds))
    return _Part(path, clip, used, run_of(path, clip, used), form_of_sound(path))


def _assemble(parts: Sequence[_Part], target: Path) -> Clip:
    runs = [part.run for part in parts if part.run is not None]
    with created(target) as output:
        if len(runs) == len(parts) and in_a_row(runs):
            lengths = [run.end * run.time_base for run in runs]
            picture = _copied(parts, runs, _picture_like(output, parts[0]))
        else:
            rate = _rate(parts[0].clip)
            counts = [max(1, ceil((part.seconds - TICK) * rate)) for part in parts]
            lengths = [count / rate for count in counts]
            size = parts[0].clip.width // 2 * 2, parts[0].clip.height // 2 * 2
            picture = _encoded(parts, counts, rate, add_video(output, size=size, rate=rate))
        stretches = [Stretch(part.path, length) for part, length in zip(parts, lengths, strict=True)]
        heard = _sound(stretches, {part.sound for part in parts}, output)
        for packet in heapq.merge(picture, heard, key=_due):
            output.mux(packet)
    return probe(target)


def _rate(clip: Clip) -> Fraction:
    """The clip's frames a second; a slow one's frames are shown several times each, so that it can end in time."""
    own = max(Fraction(clip.fps).limit_denominator(1001), Fraction(1, 1001))
    return min(own * ceil(_LEAST_RATE / own), Fraction(_MOST_RATE))


def _picture_like(output: OutputContainer, part: _Part) -> VideoStream:
    with opened(part.path) as container:
        return output.add_stream_from_template(video_of(container))


def _copied(parts: Sequence[_Part], runs: Sequence[Run], stream: VideoStream) -> Iterator[AnyPacket]:
    offset = 0
    for part, run in zip(parts, runs, strict=True):
        with opened(part.path) as container:
            video = video_of(container)
            shift = offset - start_of(video)
            for packet in islice(container.demux(video), run.packets):
                packet.pts = (packet.pts or 0) + shift
                packet.dts = (packet.dts or 0) + shift
                packet.stream = stream
                yield packet
        offset += run.end


def _encoded(parts: Sequence[_Part], counts: Sequence[int], rate: Fraction, stream: VideoStream) -> Iterator[AnyPacket]:
    """Each clip at the given rate; one of another shape is scaled until it covers, and cropped."""
    position = 0
    for part, count in zip(parts, counts, strict=True):
        with opened(part.path) as container:
            for frame in shown(frames(container), (place / rate for place in range(count))):
                fitted = _covering(frame, (stream.width, stream.height))
                yield from stream.encode(paced(fitted, position, stream))
                position += 1
    yield from stream.encode(None)


def _covering(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    if (frame.width, frame.height) == size and not frame.rotation:
        return frame
    return painted(ImageOps.fit(upright(frame), size))


def _sound(stretches: Sequence[Stretch], forms: set[Form | None], output: OutputContainer) -> Iterator[AnyPacket]:
    if forms == {None}:
        return iter(())
    with opened(stretches[0].path) as container:
        track = sound_of(container)
        if track is not None and len(forms) == 1 and track.codec.name in _COPIED_SOUND:
            return sound.copied(stretches, output.add_stream_from_template(track))
    return sound.encoded(stretches, add_sound(output))


def _due(packet: AnyPacket) -> Fraction:
    return (packet.dts or 0) * packet.time_base
