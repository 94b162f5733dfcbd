"""The pictures and clips that composed ways are made of: fitted, cut out, trimmed and joined on their way to a task."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec import Struct

from sora2api.drivers import File
from sora2api.errors import Gone
from sora2api.media import clips, pictures
from sora2api.media.sniff import EXTENSIONS
from sora2api.media.store import MediaStore
from sora2api.modes import Media, Source

_FRAME: Final = 0.05
"""By how much a clip may be longer than asked and is still left as it is, in seconds."""


class Part(Struct, frozen=True):
    """A clip as it will be joined, and its length in seconds."""

    path: Path
    seconds: float


class Pieces:
    """Makes files out of kept ones. What it makes is gone when it is left, unless the store has taken it."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    async def file(self, media: Media) -> File:
        path = await self._store.path(media)
        return File(path=path, content_type=media.content_type, name=media.asset + EXTENSIONS[media.content_type])

    # Pictures.

    async def fitted(self, picture: File, size: str) -> File:
        """A picture in the *size* of the video that begins on it."""
        width, height = map(int, size.split("x"))
        target = self._new(".png")
        await self._store.workshop.run(pictures.fit, picture.path, target, size=(width, height))
        return _png(target)

    async def inset(self, picture: File, others: Sequence[File]) -> File:
        """A picture with *others* set into it, for engines that take a single one."""
        target = self._new(".png")
        await self._store.workshop.run(pictures.inset, picture.path, [other.path for other in others], target)
        return _png(target)

    async def frame(self, source: Source) -> File:
        """A frame of a video: the one that was kept, which outlives its file."""
        if source.frame is not None:
            return await self.file(source.frame)
        if source.media is None:
            raise Gone("The video's file has expired, and no frame of it was kept.", param="video")
        target = self._new(".png")
        path = await self._store.path(source.media)
        await self._store.workshop.run(clips.frame_at, path, target, seconds=source.seconds / 2)
        return _png(target)

    async def last_frame(self, clip: Part) -> File:
        target = self._new(".png")
        await self._store.workshop.run(clips.last_frame, clip.path, target)
        return _png(target)

    async def best_frames(self, video: Media, *, count: int) -> Sequence[Path]:
        """The frames that show best who is in a video."""
        folder = self._new("")
        folder.mkdir()
        path = await self._store.path(video)
        return await self._store.workshop.run(clips.best_frames, path, folder, count=count)

    # Clips.

    async def whole(self, source: Source) -> Part:
        """All of a video."""
        if source.media is None:
            raise Gone("The video's file has expired, so it cannot be continued.", param="video")
        return Part(await self._store.path(source.media), source.media.seconds or source.seconds)

    async def trimmed(self, clip: Media, seconds: float) -> Part:
        """The beginning of a clip: engines make whole seconds, or whole blocks of frames."""
        path = await self._store.path(clip)
        length = clip.seconds or 0.0
        if length <= seconds + _FRAME:
            return Part(path, length)
        target = self._new(".mp4")
        made = await self._store.workshop.run(clips.trim, path, target, seconds=seconds)
        return Part(target, made.seconds)

    async def joined(self, parts: Sequence[Part]) -> Path:
        target = self._new(".mp4")
        await self._store.workshop.run(clips.join, [part.path for part in parts], target)
        return target

    def _new(self, ending: str) -> Path:
        """A place for a file. The folder is there from the first one on, since most steps need none."""
        if self._folder is None:
            self._folder = self._stack.enter_context(self._store.scratch())
        return self._folder / f"{next(self._numbers)}{ending}"


def _png(path: Path) -> File:
    return File(path=path, content_type="image/png", name=path.name)
