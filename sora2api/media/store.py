"""Kept files: content-addressed on disk, with a row an asset.

A file is written to the scratch folder, examined, fsynced and renamed into place, and only then recorded. What a crash
leaves in between has no row; `sweep` removes it at the next start.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterable, Collection, Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import DiskFull, Gone, InvalidImage, InvalidVideo, NotFound, TooLarge
from sora2api.media import clips, pictures
from sora2api.media.places import FOLDER, place
from sora2api.media.sniff import Sniffed, sniff
from sora2api.media.workshop import Workshop
from sora2api.modes import Kind, Media
from sora2api.store.database import Database
from sora2api.store.tables import assets

Role = Literal["input", "part", "output", "frame", "character", "thumbnail", "spritesheet", "file"]

_HEAD: Final = 64
_FLUSH: Final = 1024 * 1024
_WANTED: Final = {"image": "an image", "video": "a video", None: "an image or a video"}


class Arrival(Struct, frozen=True, kw_only=True):
    """A file that was examined and found good, on its way into the store; *name* is what its sender calls it."""

    media: Media
    path: Path
    sha256: str
    bytes: int
    name: str = ""


class Asset(Struct, frozen=True, kw_only=True):
    """A kept file."""

    id: str
    owner: str
    job_id: str | None
    media: Media
    path: Path
    bytes: int
    expires_at: float | None


class MediaStore:
    """The kept files below *folder*."""

    def __init__(self, folder: Path, database: Database, workshop: Workshop, *, reserve: int) -> None:
        self.workshop = workshop
        self._folder = folder
        self._files = folder / FOLDER
        self._scratch = folder / "scratch"
        self._database = database
        self._reserve = reserve
        self._arriving: Counter[str] = Counter()
        self._leaving: dict[str, asyncio.Event] = {}
        for path in (self._files, self._scratch):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    # Room.

    def free(self) -> int:
        """Free bytes on the disk."""
        return shutil.disk_usage(self._files).free

    def has_room(self) -> bool:
        """Whether there is more than the reserve on the disk."""
        return self.free() >= self._reserve

    def check_room(self) -> None:
        """Raise `DiskFull` when the disk is nearly full."""
        if not self.has_room():
            raise DiskFull

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for files on their way, removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def empty_scratch(self) -> None:
        """Remove what a crash left in the scratch folder."""
        for path in self._scratch.iterdir():
            shutil.rmtree(path, ignore_errors=True)

    # Coming in.

    async def examine(self, path: Path, *, expect: Kind | None = None) -> Arrival:
        """Look at a file's bytes. Raises `InvalidImage` or `InvalidVideo` when it is damaged, or not as expected."""
        found = await asyncio.to_thread(_sniff, path)
        if found is None or (expect is not None and found.kind != expect):
            wrong = InvalidVideo if expect == "video" else InvalidImage
            raise wrong(f"The file is not {_WANTED[expect]}.")
        media = await self._probe(path, found)
        digest, size = await asyncio.to_thread(_digest, path)
        return Arrival(media=media, path=path, sha256=digest, bytes=size)

    async def _probe(self, path: Path, found: Sniffed) -> Media:
        asset = _new_id()
        if found.kind == "image":
            picture = await self.workshop.run(pictures.probe, path)
            return Media(
                asset=asset,
                kind="image",
                content_type=found.content_type,
                width=picture.width,
                height=picture.height,
            )
        clip = await self.workshop.run(clips.probe, path)
        return Media(
            asset=asset,
            kind="video",
            content_type=found.content_type,
            width=clip.width,
            height=clip.height,
            seconds=clip.seconds,
        )

    async def again(self, asset: Asset, path: Path) -> Arrival:
        """A kept file as one that arrives anew, at *path*: an asset of its own, whatever becomes of the other."""
        try:
            await asyncio.to_thread(os.link, asset.path, path)
        except FileNotFoundError as error:  # deleted meanwhile
            raise Gone("The file was deleted.") from error
        media = replace(asset.media, asset=_new_id())
        return Arrival(media=media, path=path, sha256=asset.path.name, bytes=asset.bytes)

    @contextmanager
    def arriving(self, arrivals: Collection[Arrival]) -> Iterator[None]:
        """Keeps files from being removed between `settle` and the commit of their rows."""
        digests = Counter(arrival.sha256 for arrival in arrivals)
        self._arriving += digests
        try:
            yield
        finally:
            self._arriving -= digests

    async def settle(self, arrival: Arrival) -> None:
        """Move the file to its place, durably."""
        while (gone := self._leaving.get(arrival.sha256)) is not None:
            await gone.wait()
        await asyncio.to_thread(_settle, arrival.path, self._place(arrival.sha256))

    async def keep(
        self,
        path: Path,
        *,
        owner: str,
        job_id: str | None,
        role: Role,
        expect: Kind | None = None,
        expires_at: float | None = None,
    ) -> Media:
        """Examine, settle and record a file in one go."""
        arrival = await self.examine(path, expect=expect)
        with self.arriving((arrival,)):
            await self.settle(arrival)
            await self._database.write(
                lambda connection: record(
                    connection, arrival, owner=owner, job_id=job_id, role=role, expires_at=expires_at
                )
            )
        return arrival.media

    # Going out.

    async def find(self, asset_id: str) -> Asset:
        """A kept file by its id. Raises `NotFound`, or `Gone` when it has expired or was in no backup."""
        row = await self._row(asset_id)
        if row.expires_at is not None and row.expires_at < time.time():
            raise Gone("The file has expired.")
        path = self._place(row.sha256)
        if not await asyncio.to_thread(path.exists):
            raise Gone("The file is not kept any more.")
        media = _media(row)
        return Asset(
            id=row.id,
            owner=row.owner,
            job_id=row.job_id,
            media=media,
            path=path,
            bytes=row.bytes,
            expires_at=row.expires_at,
        )

    async def of_job(self, job_id: str, role: Role) -> Media | None:
        """The first file that a job keeps in a *role*."""
        wanted = select(assets).where(assets.c.job_id == job_id, assets.c.role == role).order_by(assets.c.created_at)
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted.limit(1))).one_or_none()
        return None if row is None else _media(row)

    async def path(self, media: Media) -> Path:
        """Where a file is that a live job uses: it stays until the job is over, though it has expired."""
        return self._place((await self._row(media.asset)).sha256)

    async def _row(self, asset_id: str) -> Row[Any]:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(assets).where(assets.c.id == asset_id))).one_or_none()
        if row is None:
            raise NotFound("There is no such file here.")
        return row

    async def remove(self, condition: Any) -> None:
        """Remove the assets that meet the *condition* on the table of assets, and the files that nobody else keeps."""
        wanted = select(assets.c.sha256).where(condition)
        async with self._database.reading() as connection:
            digests = set((await connection.execute(wanted)).scalars())
        with self._leaving_with(digests):
            await self._database.write(lambda connection: connection.execute(delete(assets).where(condition)))
            await self._unlink(digests)

    async def unsettle(self, arrivals: Collection[Arrival]) -> None:
        """Remove files that were settled and then not recorded, unless others keep the same."""
        digests = {arrival.sha256 for arrival in arrivals}
        with self._leaving_with(digests):
            await self._unlink(digests)

    @contextmanager
    def _leaving_with(self, digests: Collection[str]) -> Iterator[None]:
        """While files may be removed, one with the same content waits before it is settled."""
        gone = asyncio.Event()
        leaving = dict.fromkeys(digests, gone)
        self._leaving |= leaving
        try:
            yield
        finally:
            for digest in leaving:
                if self._leaving.get(digest) is gone:
                    del self._leaving[digest]
            gone.set()

    async def _unlink(self, digests: Collection[str]) -> None:
        """Remove the files that no row knows and that are not just arriving."""
        async with self._database.reading() as connection:
            kept = await connection.execute(select(assets.c.sha256).where(assets.c.sha256.in_(digests)))
            unknown = set(digests) - set(kept.scalars())
        for digest in unknown:
            if self._arriving[digest] <= 0:
                await asyncio.to_thread(self._place(digest).unlink, missing_ok=True)

    async def sweep(self) -> int:
        """Remove the files that no row knows; how many there were. At a start, before any job runs."""
        present = await asyncio.to_thread(lambda: {path.name: path for path in self._files.glob("*/*")})
        async with self._database.reading() as connection:
            known = set((await connection.execute(select(assets.c.sha256).distinct())).scalars())
        orphans = [path for name, path in present.items() if name not in known]
        for path in orphans:
            await asyncio.to_thread(path.unlink)
        return len(orphans)

    async def held(self) -> int:
        """Bytes of all kept files, as recorded."""
        async with self._database.reading() as connection:
            total: int = (await connection.execute(select(func.coalesce(func.sum(assets.c.bytes), 0)))).scalar_one()
        return total

    def _place(self, sha256: str) -> Path:
        return self._folder / place(sha256)


async def record(
    connection: AsyncConnection,
    arrival: Arrival,
    *,
    owner: str,
    job_id: str | None,
    role: Role,
    expires_at: float | None = None,
) -> None:
    """The row of a file that was settled."""
    media = arrival.media
    await connection.execute(
        insert(assets).values(
            id=media.asset,
            owner=owner,
            job_id=job_id,
            role=role,
            kind=media.kind,
            sha256=arrival.sha256,
            bytes=arrival.bytes,
            content_type=media.content_type,
            width=media.width,
            height=media.height,
            seconds=media.seconds,
            created_at=time.time(),
            expires_at=expires_at,
        )
    )


async def receive(chunks: AsyncIterable[bytes], target: Path, *, limit: int, begin: int = 0) -> int:
    """Write what comes to *target*, from the byte *begin* on; how long the file is now. Beyond *limit*: `TooLarge`."""
    length = begin
    with await asyncio.to_thread(target.open, "ab" if begin else "wb") as file:
        pending = bytearray()
        try:
            async for chunk in chunks:
                length += len(chunk)
                if length > limit:
                    raise TooLarge(f"The file is larger than {limit} bytes.")
                pending += chunk
                if len(pending) >= _FLUSH:
                    await asyncio.to_thread(file.write, bytes(pending))
                    pending.clear()
        finally:  # a transfer that breaks goes on from what has come
            await asyncio.to_thread(file.write, bytes(pending))
    return length


def _new_id() -> str:
    return f"asset_{secrets.token_hex(16)}"


def _media(row: Row[Any]) -> Media:
    return Media(
        asset=row.id,
        kind=row.kind,
        content_type=row.content_type,
        width=row.width,
        height=row.height,
        seconds=row.seconds,
    )


def _sniff(path: Path) -> Sniffed | None:
    with path.open("rb") as file:
        return sniff(file.read(_HEAD))


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest(), file.seek(0, os.SEEK_END)


def _settle(path: Path, place: Path) -> None:
    place.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
