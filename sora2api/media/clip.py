"""What is known of a clip."""

from msgspec import Struct


class Clip(Struct, frozen=True):
    """A video file; its size is the upright one, in pixels, its length that of the picture, without the sound."""

    width: int
    height: int
    seconds: float
    fps: float
    frames: int
    codec: str
    content_type: str
    audio: bool
