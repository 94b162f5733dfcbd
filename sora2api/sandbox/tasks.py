"""What the engine remembers of a clip, a character and a request for pictures."""

import time
from typing import Any, Literal

import msgspec

from sora2api.sandbox.orders import ClipOrder, PictureOrder, Portrait, name_of

QUEUED_SHARE = 0.15
"""The share of its delay that a task is shown as queued."""

SHORTEST_SHOW = 0.3
"""In how many seconds a task without delay is shown to go on, though its file takes what it takes."""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a task failed."""

    code: str
    message: str
    param: str | None = None


class Task(msgspec.Struct, kw_only=True):
    """A clip being made or made; times are Unix seconds, *due* the earliest time at which it is shown as made."""

    id: str
    created: float
    due: float
    model: str
    prompt: str
    seconds: float
    order: ClipOrder
    remixed_from: str | None = None
    refusal: Fault | None = None
    ended: float | None = None
    made: str | None = None
    error: Fault | None = None

    @property
    def clip(self) -> str:
        """The shelf's name of the clip; *made* has it once it is made, so that newer renderers do not lose it."""
        return self.made or name_of(self.order)

    def made_files(self) -> set[str]:
        """The shelf's names of the clip and of what was made of it."""
        stem = self.clip.removesuffix(self.order.ending)
        return {self.clip, f"{stem}.webp", f"{stem}.jpg"}

    def sources(self) -> set[str]:
        """The shelf's names of all that the clip is made of."""
        portraits = {name for portrait in self.order.cast for name in portrait.pictures}
        return portraits | {name for name in (self.order.image, self.order.source) if name}

    @property
    def status(self) -> Literal["queued", "in_progress", "completed", "failed"]:
        if self.ended is not None:
            return "failed" if self.error else "completed"
        return "queued" if self._share() < QUEUED_SHARE else "in_progress"

    @property
    def progress(self) -> int:
        """0 to 100; 100 exactly when completed."""
        if self.status == "completed":
            return 100
        share = (self._share() - QUEUED_SHARE) / (1 - QUEUED_SHARE)
        return max(0, min(99, int(share * 100)))

    def _share(self) -> float:
        until = self.ended if self.ended is not None else time.time()
        return (until - self.created) / max(self.due - self.created, SHORTEST_SHOW)

    def video(self) -> dict[str, Any]:
        """The Video object of OpenAI's Videos API, all thirteen keys."""
        width, height = self.order.size
        return {
            "id": self.id,
            "object": "video",
            "model": self.model,
            "status": self.status,
            "progress": self.progress,
            "created_at": int(self.created),
            "completed_at": None if self.ended is None else int(self.ended),
            "expires_at": None,
            "prompt": self.prompt,
            "size": f"{width}x{height}",
            "seconds": f"{self.seconds:g}",
            "remixed_from_video_id": self.remixed_from,
            "error": msgspec.to_builtins(self.error),
        }


class Character(msgspec.Struct, frozen=True):
    """Somebody who can appear in clips."""

    id: str
    created: float
    portrait: Portrait

    def card(self) -> dict[str, Any]:
        return {"id": self.id, "object": "character", "created_at": int(self.created), "name": self.portrait.name}


class PictureRequest(msgspec.Struct, frozen=True):
    """An accepted request for pictures; *digest* tells whether a repeated key comes with the same request."""

    created: float
    digest: str
    orders: tuple[PictureOrder, ...]
