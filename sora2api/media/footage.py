"""Reads a clip: what it is, whether it is whole, and its frames as they are shown."""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from sora2api.errors import InvalidVideo
from sora2api.media.clip import Clip
from sora2api.media.pictures import MAX_PIXELS
from sora2api.media.sniff import HEAD, Sniffed, sniff

TICK = Fraction(1, 10_000)
"""Two moments (in seconds) no further apart than this are one: finer than any frame rate, coarser than rounding."""

_DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
}
_CUT_OFF = "The video is damaged or cut off."


def probe(path: Path) -> Clip:
    """Decodes the first frame and reads to the end. Raises InvalidVideo if it is none, damaged or cut off."""
    content_type = _sniffed(path).content_type
    with opened(path) as container:
        _refuse_missing_bytes(container, path)
        video = video_of(container)
        first, frames, seconds = _walk(container, video)
        sideways = first.rotation % 180 != 0
        width, height = (first.height, first.width) if sideways else (first.width, first.height)
        return Clip(
            width=width,
            height=height,
            seconds=float(seconds),
            fps=float(frames / seconds),
            frames=frames,
            codec=video.codec_context.codec.canonical_name,
            content_type=content_type,
            audio=sound_of(container) is not None,
        )


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The open clip. Whatever proves unreadable while it is open raises InvalidVideo.

    The format is the one that the first bytes show, so that no playlist can make the reader open other files.
    """
    demuxer = _DEMUXERS[_sniffed(path).content_type]
    try:
        with av.open(str(path), "r", format=demuxer, options={"protocol_whitelist": "file"}) as container:
            video = video_of(container)
            if video.width * video.height > MAX_PIXELS:
                raise InvalidVideo(f"The video is too large: {MAX_PIXELS // 1_000_000} megapixels are the limit.")
            yield container
    except av.FFmpegError as error:
        raise InvalidVideo(_CUT_OFF) from error


def video_of(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or not stream.time_base or stream.disposition & Disposition.attached_pic:
        raise InvalidVideo("The file has no video in it.")
    return stream


def sound_of(container: InputContainer) -> AudioStream | None:
    stream = container.streams.best("audio")
    return stream if isinstance(stream, AudioStream) else None


def start_of(stream: VideoStream) -> int:
    """When its first frame is shown, in ticks of its time base."""
    return stream.start_time or 0


def frames(container: InputContainer, *, since: Fraction | None = None) -> Iterator[tuple[Fraction, VideoFrame]]:
    """The frames as they are shown, with their times in seconds from the start.

    With `since`, from the key frame before that time on; a clip without an index may begin anywhere.
    """
    video = video_of(container)
    video.thread_type = "AUTO"
    time_base = video.time_base or Fraction(1)
    start = start_of(video)
    if since:
        with contextlib.suppress(av.FFmpegError):  # no index: it stays at the start, which is before any time
            container.seek(start + int(since / time_base), stream=video)
    for frame in container.decode(video):
        moment = frame.dts if frame.pts is None else frame.pts
        if moment is not None:
            yield (moment - start) * time_base, frame


def shown(running: Iterator[tuple[Fraction, VideoFrame]], times: Iterable[Fraction]) -> Iterator[VideoFrame]:
    """The frame shown at each of the times, which must ascend; the last one from then on."""
    current = next(running, None)
    if current is None:
        raise InvalidVideo("The video has no frames.")
    following = next(running, None)
    for time in times:
        while following is not None and following[0] <= time + TICK:
            current, following = following, next(running, None)
        yield current[1]


def upright(frame: VideoFrame, *, width: int | None = None, height: int | None = None) -> Image.Image:
    """The frame as a picture the right way up, scaled before that if asked."""
    image: Image.Image = frame.to_image(width=width, height=height)  # type: ignore[no-untyped-call]
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _sniffed(path: Path) -> Sniffed:
    with path.open("rb") as file:
        sniffed = sniff(file.read(HEAD))
    if sniffed is None or sniffed.kind != "video":
        raise InvalidVideo("The file is not a video in a known format: MP4, QuickTime, WebM, Matroska or AVI.")
    return sniffed


def _refuse_missing_bytes(container: InputContainer, path: Path) -> None:
    """An MP4's index may come first, and name bytes that never arrived."""
    size = path.stat().st_size
    for stream in container.streams:
        if any(entry.pos + entry.size > size for entry in stream.index_entries):
            raise InvalidVideo(_CUT_OFF)


def _walk(container: InputContainer, video: VideoStream) -> tuple[VideoFrame, int, Fraction]:
    """The first frame, the number of frames, and the seconds for which they are shown."""
    first: VideoFrame | None = None
    spans: list[tuple[Fraction, Fraction]] = []
    reached = Fraction(0)
    usual = 1 / (video.guessed_rate or Fraction(25))
    for packet in container.demux():
        if packet.is_corrupt:
            raise InvalidVideo(_CUT_OFF)
        ours = packet.stream_index == video.index
        if ours and first is None:
            first = next(iter(video.decode(packet)), None)
        moment = packet.dts if packet.pts is None else packet.pts
        if moment is None:
            continue
        begin = moment * packet.time_base
        span = begin, begin + ((packet.duration or 0) * packet.time_base or usual)
        reached = max(reached, span[1])
        if ours and not packet.is_discard:
            spans.append(span)
    if first is None or not spans:
        raise InvalidVideo("The video has no frames that can be decoded.")
    _refuse_early_end(container, reached)
    return first, len(spans), max(end for _, end in spans) - min(begin for begin, _ in spans)


def _refuse_early_end(container: InputContainer, reached: Fraction) -> None:
    """WebM and AVI say at their beginning how long they mean to be."""
    if "mp4" not in container.format.name and container.duration:
        promised = Fraction(container.duration, av.time_base)
        if reached < promised * Fraction(98, 100) - Fraction(1, 4):
            raise InvalidVideo(_CUT_OFF)
