"""Lays the sound of clips one after the other, each under its own picture: copied, or encoded anew."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from sora2api.media.encoding import SOUND_RATE, AnyPacket
from sora2api.media.footage import opened, sound_of, start_of, video_of

_FORMAT, _LAYOUT = "fltp", "stereo"


class Stretch(NamedTuple):
    """A clip, and for how many seconds from its start it is used."""

    path: Path
    seconds: Fraction


def copied(stretches: Sequence[Stretch], stream: AudioStream) -> Iterator[AnyPacket]:
    """The packets as they are; each belongs to the stretch in which it begins."""
    offset = Fraction(0)
    free: int | None = None
    for stretch in stretches:
        with opened(stretch.path) as container:
            shift = offset - _picture_start(container)
            for packet in _packets(container):
                begin = (packet.pts or 0) + round(shift / packet.time_base)
                if begin * packet.time_base >= offset + stretch.seconds:
                    break
                if free is not None and begin < free:
                    continue  # the encoder's pre-roll, under the end of the stretch before
                free = begin + (packet.duration or 0)
                packet.pts = packet.dts = begin
                packet.stream = stream
                yield packet
        offset += stretch.seconds


def encoded(stretches: Sequence[Stretch], stream: AudioStream) -> Iterator[AnyPacket]:
    """AAC of all of it, with silence where a clip has no sound, or none yet, or no more."""
    position, end = 0, Fraction(0)
    for stretch in stretches:
        end += stretch.seconds
        for frame in _exactly(stretch.path, round(end * SOUND_RATE) - position):
            frame.pts, frame.time_base = position, Fraction(1, SOUND_RATE)
            position += frame.samples
            yield from stream.encode(frame)
    yield from stream.encode(None)


def _packets(container: InputContainer) -> Iterator[AnyPacket]:
    track = sound_of(container)
    if track is not None:
        yield from (packet for packet in container.demux(track) if packet.pts is not None)


def _picture_start(container: InputContainer) -> Fraction:
    video = video_of(container)
    return start_of(video) * (video.time_base or Fraction(1))


def _exactly(path: Path, count: int) -> Iterator[AudioFrame]:
    """The first `count` samples of the clip's sound, filled up with silence."""
    left = count
    with opened(path) as container:
        for frame in _heard(container):
            piece = frame if frame.samples <= left else _beginning(frame, left)
            left -= piece.samples
            yield piece
            if not left:
                return
    yield from _silence(left)


def _heard(container: InputContainer) -> Iterator[AudioFrame]:
    """The sound from the first picture on, in the one form that is encoded here."""
    track = sound_of(container)
    if track is None:
        return
    resampler = AudioResampler(format=_FORMAT, layout=_LAYOUT, rate=SOUND_RATE)
    begun = False
    for frame in container.decode(track):
        if not begun:
            delay = (frame.pts or 0) * (frame.time_base or Fraction(1)) - _picture_start(container)
            yield from _silence(max(0, round(delay * SOUND_RATE)))
            begun = True
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _beginning(frame: AudioFrame, count: int) -> AudioFrame:
    fifo = AudioFifo()
    frame.pts = None
    fifo.write(frame)
    piece = fifo.read(count)
    if piece is None:
        raise ValueError(f"{frame.samples} samples are fewer than {count}.")
    return piece


def _silence(count: int) -> Iterator[AudioFrame]:
    for begin in range(0, count, SOUND_RATE):
        frame = AudioFrame(format=_FORMAT, layout=_LAYOUT, samples=min(SOUND_RATE, count - begin))
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = SOUND_RATE
        yield frame
