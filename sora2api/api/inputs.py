"""Media that come with a request: uploads, data URLs, base64, links and kept files, received and examined."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import BodyPartReader
from msgspec import Struct
from msgspec.structs import replace

from sora2api.api.services import Services
from sora2api.errors import InvalidImage, InvalidRequest, InvalidValue, InvalidVideo, NotFound, TooLarge
from sora2api.media.store import Arrival, receive
from sora2api.modes import Kind, Media

_SLICE: Final = 256 * 1024
_HEAD: Final = 256
_LONGEST_NAME: Final = 255


class ImageAddress(Struct):
    """An image in a body, by exactly one of these."""

    image_url: str | None = None
    file_id: str | None = None


class Inputs:
    """Receives the media of a request of *owner*; its files are gone when it is left, unless somebody has taken them.

    What has arrived so long counts as being received, the body that it came in too.
    """

    def __init__(self, services: Services, *, owner: str) -> None:
        self.arrivals: list[Arrival] = []
        self._services = services
        self._owner = owner
        self._open = ExitStack()
        self._folder: Path | None = None
        self._received = 0
        self._claimed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._services.receiving.release(self._claimed)
        self._open.close()

    def arrived(self, length: int) -> None:
        """Count what comes in. Raises `ReceivingFull` where it is too much for now."""
        self._services.receiving.claim(length)
        self._claimed += length

    async def take(self, url: str, *, kind: Kind | None, param: str) -> Media:
        """A file by its data: or http(s) URL, or as bare base64. Errors name the *param*."""
        target = self._new()
        limit = self._services.settings.upload_limit
        try:
            if url[:8].lower().startswith(("http://", "https://")):
                timeout = self._services.settings.fetch_timeout
                await self._services.fetch.fetch(url, target, limit=limit, timeout=timeout, arrived=self.arrived)
            else:
                self.arrived(len(url) * 3 // 4)
                await asyncio.to_thread(_decode, url, target, kind, limit)
            arrival = await self._services.store.examine(target, expect=kind)
        except (InvalidRequest, TooLarge) as error:
            error.param = error.param or param
            raise
        self.arrivals.append(arrival)
        return arrival.media

    async def receive(self, part: BodyPartReader, *, param: str) -> Arrival | None:
        """An uploaded file, streamed to disk; None where it has no bytes."""
        target = self._new()

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await part.read_chunk(_SLICE):
                self.arrived(len(chunk))
                yield chunk

        try:
            length = await receive(chunks(), target, limit=self._services.settings.upload_limit)
            if not length:
                return None
            arrival = await self._services.store.examine(target)
        except (InvalidRequest, TooLarge) as error:
            error.param = error.param or param
            raise
        arrival = replace(arrival, name=(part.filename or "")[:_LONGEST_NAME])
        self.arrivals.append(arrival)
        return arrival

    async def image(self, given: ImageAddress, *, param: str) -> Media:
        if given.image_url is not None and given.file_id is None:
            return await self.take(given.image_url, kind="image", param=param)
        if given.file_id is not None and given.image_url is None:
            return await self.file(given.file_id, kind="image", param=param)
        raise InvalidValue(f"`{param}` takes either image_url or file_id.", param=param)

    async def file(self, file_id: str, *, kind: Kind | None, param: str) -> Media:
        """A file of /v1/files."""
        try:
            kept = await self._services.files.get(file_id, owner=self._owner)
        except NotFound as error:
            raise InvalidValue(error.message, param=param) from error
        media = await self.again(kept.asset)
        if kind is not None and media.kind != kind:
            raise InvalidValue(f"`{param}` takes {kind}s, and {file_id} is none.", param=param)
        return media

    async def again(self, asset_id: str) -> Media:
        """A kept file as an input of this request's own, which stays when the other goes."""
        asset = await self._services.store.find(asset_id)
        arrival = await self._services.store.again(asset, self._new())
        self.arrivals.append(arrival)
        return arrival.media

    def _new(self) -> Path:
        self._received += 1
        if self._folder is None:
            self._folder = self._open.enter_context(self._services.store.scratch())
        return self._folder / str(self._received)


def _decode(url: str, target: Path, kind: Kind | None, limit: int) -> None:
    """Write base64 to a file, in slices, so that the interpreter is never held for long."""
    wrong = InvalidVideo if kind == "video" else InvalidImage
    called = kind or "file"
    text = "".join(url.split()) if "\n" in url else url
    begin = 0
    if text[:5].lower() == "data:":
        head, comma, _ = text[:_HEAD].partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise wrong(f"The {called} is a data URL that is not base64: it must begin `data:<type>;base64,`.")
        begin = len(head) + 1
    length = len(text) - begin
    if length * 3 // 4 > limit:
        raise TooLarge(f"The {called} is larger than {limit} bytes.")
    if not length:
        raise wrong(f"The {called} is empty.")
    with target.open("wb") as file:
        for start in range(begin, len(text), _SLICE):
            part = text[start : start + _SLICE]
            try:
                file.write(base64.b64decode(part + "=" * (-len(part) % 4), validate=True))
            except ValueError as error:
                raise wrong(f"The {called} is neither a link nor valid base64.") from error
