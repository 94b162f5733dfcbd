"""Fetching a file so that what has come stays: over breaks of the connection, and over the command's own end."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from sora2api.cli.note import Note
from sora2api.cli.remote import Broken, Refused, Remote, Unreached
from sora2api.errors import Sora2ApiError

PART: Final = ".part"
_PIECE: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")

Heard = Callable[[int, int | None], None]
"""Hears how many bytes have come, and of how many."""


class Incomplete(Sora2ApiError):
    """The file did not come whole."""

    code = "incomplete_download"


class Unwritten(Sora2ApiError):
    """The file cannot be written here."""

    code = "unwritten"


class Sink(Protocol):
    """Where the bytes go. *size*: so many are there; *etag*: of which version of the file."""

    size: int
    etag: str | None

    async def begin(self, etag: str | None) -> None:
        """Forget what has come: it is of another version."""

    async def write(self, data: bytes) -> None: ...
    async def end(self) -> None: ...
    def close(self) -> None: ...


class FileSink:
    """FILE.part, which becomes FILE once it is whole. The *note* keeps of which version it is."""

    def __init__(self, target: Path, note: Note) -> None:
        self._target = target
        self._part = target.with_name(target.name + PART)
        self._note = note
        self.etag = note.etag
        self._file = self._part.open("ab")
        self.size = self._file.tell()

    async def begin(self, etag: str | None) -> None:
        await asyncio.to_thread(self._begin, etag)

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._file.write, data)
        self.size += len(data)

    async def end(self) -> None:
        await asyncio.to_thread(self._end)

    def close(self) -> None:
        self._file.close()

    def _begin(self, etag: str | None) -> None:
        self._file.truncate(0)
        self.size, self.etag = 0, etag
        self._note.etag = etag
        self._note.keep()

    def _end(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._target)


class OutSink:
    """Standard output. What was written there is out: another version cannot take its place."""

    def __init__(self) -> None:
        self.size = 0
        self.etag: str | None = None

    async def begin(self, etag: str | None) -> None:
        if self.size:
            raise Incomplete("The file has changed, and a part of it is out already.")
        self.etag = etag

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(sys.stdout.buffer.write, data)
        self.size += len(data)

    async def end(self) -> None:
        await asyncio.to_thread(sys.stdout.buffer.flush)

    def close(self) -> None:
        """What is open stays open: it is not ours."""


async def fetch(remote: Remote, address: str, sink: Sink, heard: Heard) -> int:
    """Have all of a file, by its path or link, in the *sink*; its size. Raises `Refused`, `Unreached`, `Incomplete`,
    `Unwritten`.
    """
    waiting = remote.waiting()
    while True:
        before = sink.size
        try:
            total = await _go_on(remote, address, sink, heard)
        except Broken as error:
            if sink.size > before:
                waiting.well()
            if not await waiting.wait("The connection broke."):
                raise Unreached(f"The rest of the file does not come: {sink.size} bytes are here.") from error
        except Refused as error:
            if error.answered not in (429, 502, 503, 504) or not await waiting.wait(str(error)):
                raise
        else:
            if total is not None and sink.size != total:
                raise Incomplete(f"{sink.size} bytes have come, of {total}.")
            await sink.end()
            return sink.size


async def _go_on(remote: Remote, address: str, sink: Sink, heard: Heard) -> int | None:
    """Ask for what is not here yet, and write it; how large the whole is, where the server says so."""
    headers = {"Accept-Encoding": "identity"}
    if sink.size and sink.etag:
        headers |= {"Range": f"bytes={sink.size}-", "If-Range": sink.etag}
    async with remote.stream(address, headers) as response:
        if response.status == 416 and _total(response) == sink.size:  # it was all here
            return sink.size
        if response.status == 416:
            await sink.begin(None)
            raise aiohttp.ClientPayloadError("What is here is no beginning of the file.")
        total = await _placed(response, sink)
        async for data in response.content.iter_chunked(_PIECE):
            with _written():
                await sink.write(data)
            heard(sink.size, total)
        return total


async def _placed(response: aiohttp.ClientResponse, sink: Sink) -> int | None:
    """Make the sink stand where the answer begins; how large the whole is."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status == 206 and found is not None and int(found[1] or -1) == sink.size:
        return int(found[2])
    if response.status == 206:
        raise Incomplete("The server sent another part of the file than was asked for.")
    etag = response.headers.get("ETag", "")
    with _written():
        await sink.begin(None if not etag or etag.startswith("W/") else etag)
    return response.content_length


@contextmanager
def _written() -> Iterator[None]:
    """A full disk or a closed pipe is no break of the connection, which would be waited for."""
    try:
        yield
    except OSError as error:
        raise Unwritten(f"The file cannot be written: {error.strerror}.") from error


def _total(response: aiohttp.ClientResponse) -> int | None:
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return None if found is None else int(found[2])
