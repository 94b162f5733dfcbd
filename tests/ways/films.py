"""Videos decoded and looked at, and pictures and videos to send."""

import io
from dataclasses import dataclass
from fractions import Fraction

import av
from PIL import Image, ImageDraw

from sora2api.media import pictures


@dataclass(frozen=True)
class Film:
    """A video as decoded."""

    frames: list[Image.Image]
    rate: Fraction

    @property
    def seconds(self) -> float:
        return float(len(self.frames) / self.rate)

    def at(self, seconds: float) -> Image.Image:
        return self.frames[min(len(self.frames) - 1, round(seconds * self.rate))]

    def leaps(self, *, least: float = 0.08) -> list[float]:
        """When the picture changes all at once, in seconds."""
        changes = [distance(before, after) for before, after in zip(self.frames, self.frames[1:], strict=False)]
        return [float(number / self.rate) for number, change in enumerate(changes, 1) if change > least]


def film(data: bytes) -> Film:
    with av.open(io.BytesIO(data)) as container:
        rate = container.streams.video[0].average_rate
        return Film([frame.to_image() for frame in container.decode(video=0)], rate)


def distance(a: Image.Image, b: Image.Image) -> float:
    return pictures.distance(a, b)


def photo(size: tuple[int, int], colours: tuple[str, str, str]) -> bytes:
    """Something with edges and areas, unlike anything that the sandbox draws."""
    width, height = size
    picture = Image.new("RGB", size, colours[0])
    draw = ImageDraw.Draw(picture)
    draw.rectangle((width // 10, height // 2, width // 2, height - 8), fill=colours[1])
    draw.ellipse((width // 2, height // 10, width - 10, height // 2), fill=colours[2])
    data = io.BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()


def clip_of(picture: bytes, *, seconds: float = 0.5) -> bytes:
    """A short video that shows a picture."""
    still = Image.open(io.BytesIO(picture)).convert("RGB")
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = still.width, still.height, "yuv420p"
        for _ in range(round(12 * seconds)):
            container.mux(stream.encode(av.VideoFrame.from_image(still)))
        container.mux(stream.encode(None))
    return data.getvalue()
