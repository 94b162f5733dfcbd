"""The characters that an owner has: found by `@name`, made by a job, removed with it when they are temporary."""

import time
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Select, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import InvalidValue, NotFound
from sora2api.jobs.naming import names
from sora2api.jobs.records import OVER
from sora2api.media.store import MediaStore
from sora2api.modes import Character, Media
from sora2api.store.database import Database
from sora2api.store.keyset import behind
from sora2api.store.tables import assets, characters, jobs

_encode = msgspec.json.encode


class CharacterRecord(Struct, frozen=True):
    """A character, and when it was made."""

    character: Character
    created_at: float


class CharacterBook:
    """Reads and writes the table of characters."""

    def __init__(self, database: Database, store: MediaStore) -> None:
        self._database = database
        self._store = store

    async def find(self, owner: str, word: str) -> Character | None:
        """An owner's character by its name or id."""
        found = await self._select(_kept(owner), or_(characters.c.name == word, characters.c.id == word))
        return found[0] if found else None

    async def get(self, owner: str, character_id: str) -> CharacterRecord:
        """An owner's character by its id. Raises `NotFound`."""
        found = await self._records(_rows(_kept(owner), characters.c.id == character_id))
        if not found:
            raise NotFound(f"There is no character {character_id!r} here.")
        return found[0]

    async def page(
        self, owner: str, *, after: str | None, limit: int, ascending: bool
    ) -> tuple[Sequence[CharacterRecord], bool]:
        """At most *limit* characters behind the one with the id *after*, and whether there are more."""
        last = None if after is None else await self.get(owner, after)
        key = (last.created_at, last.character.id) if last else None
        found = await self._records(behind(_rows(_kept(owner)), characters, key, ascending=ascending).limit(limit + 1))
        return found[:limit], len(found) > limit

    async def of_step(self, job_id: str, step: str) -> Character | None:
        """The character that a job's step has made, if it got so far."""
        found = await self._select(characters.c.id == _id(job_id, step))
        return found[0] if found else None

    async def check_free(self, owner: str, name: str) -> None:
        """Raise `InvalidValue` when the owner has given this name already."""
        async with self._database.reading() as connection:
            await _check_free(connection, owner, name)

    async def make(
        self,
        *,
        owner: str,
        job_id: str,
        step: str,
        called: str | None,
        display_name: str,
        images: tuple[Media, ...],
    ) -> Character:
        """A new character, which ends with its job unless it is kept.

        A name not given is made of the *display_name*, or made up where there is none either.
        """

        async def write(connection: AsyncConnection) -> Character:
            if called is not None:
                await _check_free(connection, owner, called)
            name = called or await _free_name(connection, owner, display_name)
            character = Character(id=_id(job_id, step), name=name, display_name=display_name, images=images)
            await connection.execute(
                insert(characters).values(
                    id=character.id,
                    owner=owner,
                    name=character.name,
                    job_id=job_id,
                    temporary=True,
                    character=_encode(character),
                    created_at=time.time(),
                )
            )
            pinned = [image.asset for image in images]
            await connection.execute(
                update(assets).where(assets.c.id.in_(pinned)).values(role="character", expires_at=None)
            )
            return character

        return await self._database.write(write)

    async def keep(self, character: Character) -> None:
        """From now on its owner has it, whatever becomes of the job."""
        change = update(characters).where(characters.c.id == character.id).values(temporary=False)
        await self._database.write(lambda connection: connection.execute(change))

    async def known_at(self, character: Character, *, account_id: str, name: str) -> Character:
        """Note what an account's engine calls the character."""
        known = msgspec.structs.replace(character, accounts={**character.accounts, account_id: name})
        change = update(characters).where(characters.c.id == character.id).values(character=_encode(known))
        await self._database.write(lambda connection: connection.execute(change))
        return known

    async def temporary(self, job_id: str) -> tuple[Character, ...]:
        return await self._select(characters.c.job_id == job_id, characters.c.temporary)

    async def left_over(self) -> tuple[Character, ...]:
        """Temporary ones whose job is over, or gone: a crash came between its end and theirs."""
        going_on = select(jobs.c.id).where(jobs.c.status.not_in(OVER))
        return await self._select(characters.c.temporary, characters.c.job_id.not_in(going_on))

    async def remove(self, character: Character, *, used: Collection[str]) -> None:
        """Remove it with its pictures; those *used* by live jobs expire now, and go when these are over."""
        pictures = {image.asset for image in character.images}

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(delete(characters).where(characters.c.id == character.id))
            expired = update(assets).where(assets.c.id.in_(pictures)).values(expires_at=time.time())
            await connection.execute(expired)

        await self._database.write(write)
        await self._store.remove(assets.c.id.in_(pictures.difference(used)))

    async def _select(self, *conditions: Any) -> tuple[Character, ...]:
        return tuple(record.character for record in await self._records(_rows(*conditions)))

    async def _records(self, wanted: Select[Any]) -> tuple[CharacterRecord, ...]:
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return tuple(
                CharacterRecord(msgspec.json.decode(row.character, type=Character), row.created_at) for row in rows
            )


def _rows(*conditions: Any) -> Select[Any]:
    return select(characters.c.character, characters.c.created_at).where(*conditions)


def _kept(owner: str) -> Any:
    """An owner's characters; temporary ones are nobody else's business."""
    return (characters.c.owner == owner) & characters.c.temporary.is_(False)


def _id(job_id: str, step: str) -> str:
    """The same after a restart, so that no step makes two."""
    return f"char_{sha256(f'{job_id} {step}'.encode()).hexdigest()[:32]}"


async def _check_free(connection: AsyncConnection, owner: str, name: str) -> None:
    if await _taken(connection, owner, name):
        raise InvalidValue(f"You have a character named @{name} already.", param="name")


async def _taken(connection: AsyncConnection, owner: str, name: str) -> bool:
    same = select(characters.c.id).where(characters.c.owner == owner, characters.c.name == name)
    return (await connection.execute(same)).first() is not None


async def _free_name(connection: AsyncConnection, owner: str, display_name: str) -> str:
    for name in names(display_name):
        if not await _taken(connection, owner, name):
            return name
    raise AssertionError("the names never end")
