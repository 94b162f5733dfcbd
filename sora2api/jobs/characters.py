"""The characters that an owner has: found by `@name`, made by a job, removed with it when they are temporary."""

import secrets
import time
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import InvalidValue
from sora2api.jobs.records import OVER
from sora2api.media.store import MediaStore
from sora2api.modes import Character, Media
from sora2api.store.database import Database
from sora2api.store.tables import assets, characters, jobs

_FIRST: Final = (
    "amber",
    "brave",
    "calm",
    "clever",
    "gentle",
    "lucky",
    "merry",
    "noble",
    "quiet",
    "rapid",
    "sunny",
    "wild",
)
_SECOND: Final = (
    "badger",
    "crane",
    "falcon",
    "fox",
    "heron",
    "lynx",
    "marten",
    "otter",
    "panda",
    "raven",
    "tiger",
    "wolf",
)

_encode = msgspec.json.encode


class CharacterBook:
    """Reads and writes the table of characters."""

    def __init__(self, database: Database, store: MediaStore) -> None:
        self._database = database
        self._store = store

    async def find(self, owner: str, word: str) -> Character | None:
        """An owner's character by its name or id; temporary ones are nobody else's business."""
        named = or_(characters.c.name == word, characters.c.id == word)
        found = await self._select(characters.c.owner == owner, named, characters.c.temporary.is_(False))
        return found[0] if found else None

    async def of_step(self, job_id: str, step: str) -> Character | None:
        """The character that a job's step has made, if it got so far."""
        found = await self._select(characters.c.id == _id(job_id, step))
        return found[0] if found else None

    async def check_free(self, owner: str, name: str) -> None:
        """Raise `InvalidValue` when the owner has given this name already."""
        async with self._database.reading() as connection:
            await _check_free(connection, owner, name)

    async def make(
        self, *, owner: str, job_id: str, step: str, called: str | None, images: tuple[Media, ...]
    ) -> Character:
        """A new character, which ends with its job unless it is kept. A name not given is made up."""
        character = Character(id=_id(job_id, step), name=called or await self._free_name(owner), images=images)

        async def write(connection: AsyncConnection) -> None:
            await _check_free(connection, owner, character.name)
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

        await self._database.write(write)
        return character

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

    async def remove(self, character: Character) -> None:
        """Remove it with its pictures."""
        gone = delete(characters).where(characters.c.id == character.id)
        await self._database.write(lambda connection: connection.execute(gone))
        await self._store.remove(assets.c.id.in_([image.asset for image in character.images]))

    async def _select(self, *conditions: Any) -> tuple[Character, ...]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(characters.c.character).where(*conditions))
            return tuple(msgspec.json.decode(data, type=Character) for data in rows.scalars())

    async def _free_name(self, owner: str) -> str:
        async with self._database.reading() as connection:
            while True:
                name = f"{secrets.choice(_FIRST)}_{secrets.choice(_SECOND)}_{secrets.randbelow(900) + 100}"
                if not await _taken(connection, owner, name):
                    return name


def _id(job_id: str, step: str) -> str:
    """The same after a restart, so that no step makes two."""
    return f"char_{sha256(f'{job_id} {step}'.encode()).hexdigest()[:32]}"


async def _check_free(connection: AsyncConnection, owner: str, name: str) -> None:
    if await _taken(connection, owner, name):
        raise InvalidValue(f"You have a character named @{name} already.", param="name")


async def _taken(connection: AsyncConnection, owner: str, name: str) -> bool:
    same = select(characters.c.id).where(characters.c.owner == owner, characters.c.name == name)
    return (await connection.execute(same)).first() is not None
