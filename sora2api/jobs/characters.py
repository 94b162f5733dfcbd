"""The characters that an owner has: found by `@name`, made by a job, removed with it when they are temporary."""

import secrets
import time
from typing import Any, Final

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.errors import InvalidValue
from sora2api.media.store import MediaStore
from sora2api.modes import Character, Media
from sora2api.store.database import Database
from sora2api.store.tables import assets, characters

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

    async def of_job(self, job_id: str) -> Character | None:
        found = await self._select(characters.c.job_id == job_id)
        return found[0] if found else None

    async def make(
        self, *, owner: str, job_id: str, called: str | None, images: tuple[Media, ...], keep: bool
    ) -> Character:
        """A new character. A name that the owner has given already is refused; one that is made up is free."""
        character = Character(
            id=f"char_{secrets.token_hex(16)}", name=called or await self._free_name(owner), images=images
        )

        async def write(connection: AsyncConnection) -> None:
            if await _taken(connection, owner, character.name):
                raise InvalidValue(f"You have a character named @{character.name} already.", param="name")
            await connection.execute(
                insert(characters).values(
                    id=character.id,
                    owner=owner,
                    name=character.name,
                    job_id=job_id,
                    temporary=not keep,
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

    async def known_at(self, character: Character, *, account_id: str, name: str) -> Character:
        """Note what an account's engine calls the character."""
        known = msgspec.structs.replace(character, accounts={**character.accounts, account_id: name})
        change = update(characters).where(characters.c.id == character.id).values(character=_encode(known))
        await self._database.write(lambda connection: connection.execute(change))
        return known

    async def temporary(self, job_id: str) -> tuple[Character, ...]:
        return await self._select(characters.c.job_id == job_id, characters.c.temporary)

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


async def _taken(connection: AsyncConnection, owner: str, name: str) -> bool:
    same = select(characters.c.id).where(characters.c.owner == owner, characters.c.name == name)
    return (await connection.execute(same)).first() is not None
