"""All that is done with clips, under one name: probing, encoding, frames, cutting, joining.

Plain functions on paths, to be run in a worker process. What cannot be read raises InvalidVideo.
"""

from sora2api.media.encoding import encode
from sora2api.media.footage import Clip, probe
from sora2api.media.splice import join, trim
from sora2api.media.stills import best_frames, first_frame, frame_at, last_frame, poster, spritesheet

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
