"""Passwords: argon2id, worked out in threads of their own, since each takes 64 MiB and a while."""

import asyncio
import hmac
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from sora2api.errors import InvalidValue

SHORTEST: Final = 10
LONGEST: Final = 200

_hasher: Final = PasswordHasher()
# Two at once, so that a flood of logins does not fill the memory.
_threads: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")


async def hashed(password: str) -> str:
    """The argon2id hash, with salt and costs, as text."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Whether *password* is the one of the *stored* hash; takes as long where nothing is stored."""
    if stored is None:
        await hashed(password)
        return False
    return await asyncio.get_running_loop().run_in_executor(_threads, _verified, stored, password)


def same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(errors="surrogateescape"), other.encode(errors="surrogateescape"))


def check_new(password: str) -> None:
    """Refuse, as `InvalidValue`, a password that is too short, or too long to be hashed at leisure."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidValue(f"A password has {SHORTEST} to {LONGEST} characters.", param="password")


def _verified(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (Argon2Error, InvalidHashError):
        return False
