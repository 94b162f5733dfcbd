"""Writes clips: H.264 and AAC in MP4 files that play while they load."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from PIL import Image

from sora2api.media.clip import Clip
from sora2api.media.footage import probe

AnyPacket: TypeAlias = "Packet[Any]"  # the class is generic to type checkers only

SOUND_RATE = 48_000
_VIDEO = {"preset": "superfast", "crf": "20"}


def encode(frames: Iterable[Image.Image], target: Path, *, size: tuple[int, int], fps: int) -> Clip:
    """Writes pictures of exactly `size`, which must be even, as an MP4 of `fps` frames a second."""
    with created(target) as output:
        stream = add_video(output, size=size, rate=Fraction(fps))
        position = -1
        for position, image in enumerate(frames):
            if image.size != size:
                raise ValueError(f"Frame {position} is {image.width}x{image.height}, not {size[0]}x{size[1]}.")
            output.mux(stream.encode(paced(painted(image), position, stream)))
        if position < 0:
            raise ValueError("There are no frames.")
        output.mux(stream.encode(None))
    return probe(target)


@contextmanager
def created(target: Path) -> Iterator[OutputContainer]:
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        yield output


def add_video(output: OutputContainer, *, size: tuple[int, int], rate: Fraction) -> VideoStream:
    """An H.264 track without B-frames, so that it can be cut before any frame without being encoded again."""
    if size[0] % 2 or size[1] % 2:
        raise ValueError(f"The size must be even, and {size[0]}x{size[1]} is not.")
    stream = output.add_stream("libx264", rate=rate, options=dict(_VIDEO))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / rate
    context.max_b_frames = 0
    context.gop_size = max(1, round(2 * rate))
    context.colorspace = 1
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    context.color_range = ColorRange.MPEG
    return stream


def add_sound(output: OutputContainer) -> AudioStream:
    stream = output.add_stream("aac", rate=SOUND_RATE, layout="stereo")
    stream.bit_rate = 128_000
    return stream


def painted(image: Image.Image) -> VideoFrame:
    frame: VideoFrame = VideoFrame.from_image(image.convert("RGB"))  # type: ignore[no-untyped-call]
    return frame


def paced(frame: VideoFrame, position: int, stream: VideoStream) -> VideoFrame:
    """The frame as the encoder wants it, to be shown as number `position`."""
    ready = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
    ready.pts = position
    ready.time_base = stream.codec_context.time_base
    ready.pict_type = PictureType.NONE  # the encoder chooses its key frames, not the source
    return ready
