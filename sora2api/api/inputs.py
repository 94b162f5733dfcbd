"""Media that come with a request: data URLs, base64 and links, received into files and examined."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import BodyPartReader

from sora2api.api.services import Services
from sora2api.errors import ClientError, InvalidImage, InvalidVideo, TooLarge
from sora2api.media.store import Arrival, receive
from sora2api.modes import Kind, Media

_SLICE: Final = 256 * 1024
_HEAD: Final = 256


class Inputs:
    """Receives a request's media; its files are gone when it is left, unless a job has taken them."""

    def __init__(self, services: Services) -> None:
        self.arrivals: list[Arrival] = []
        self._services = services
        self._scratch: AbstractContextManager[Path] = services.store.scratch()
        self._folder = Path()
        self._received: list[Path] = []

    def __enter__(self) -> Self:
        self._folder = self._scratch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scratch.__exit__(kind, error, traceback)

    async def take(self, url: str, *, kind: Kind, param: str) -> Media:
        """A file by its data: or http(s) URL, or as bare base64. Errors name the *param*."""
        target = self._folder / str(len(self._received))
        self._received.append(target)
        try:
            if url[:8].lower().startswith(("http://", "https://")):
                settings = self._services.settings
                await self._services.fetch.fetch(
                    url, target, limit=settings.upload_limit, timeout=settings.fetch_timeout
                )
            else:
                await asyncio.to_thread(_decode, url, target, kind, self._services.settings.upload_limit)
            arrival = await self._services.store.examine(target, expect=kind)
        except ClientError as error:
            error.param = error.param or param
            raise
        self.arrivals.append(arrival)
        return arrival.media

    async def receive(self, part: BodyPartReader, *, param: str) -> Arrival | None:
        """An uploaded file, streamed to disk; None where it has no bytes."""
        target = self._folder / str(len(self._received))
        self._received.append(target)

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await part.read_chunk(_SLICE):
                yield chunk

        try:
            length = await receive(chunks(), target, limit=self._services.settings.upload_limit)
            if not length:
                return None
            arrival = await self._services.store.examine(target)
        except ClientError as error:
            error.param = error.param or param
            raise
        self.arrivals.append(arrival)
        return arrival


def _decode(url: str, target: Path, kind: Kind, limit: int) -> None:
    """Write base64 to a file, in slices, so that the interpreter is never held for long."""
    wrong = InvalidImage if kind == "image" else InvalidVideo
    text = "".join(url.split()) if "\n" in url else url
    begin = 0
    if text[:5].lower() == "data:":
        head, comma, _ = text[:_HEAD].partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise wrong(f"The {kind} is a data URL that is not base64: it must begin `data:<type>;base64,`.")
        begin = len(head) + 1
    length = len(text) - begin
    if length * 3 // 4 > limit:
        raise TooLarge(f"The {kind} is larger than {limit} bytes.")
    if not length:
        raise wrong(f"The {kind} is empty.")
    with target.open("wb") as file:
        for start in range(begin, len(text), _SLICE):
            part = text[start : start + _SLICE]
            try:
                file.write(base64.b64decode(part + "=" * (-len(part) % 4), validate=True))
            except ValueError as error:
                raise wrong(f"The {kind} is neither a link nor valid base64.") from error
