"""What commands change is on record in the audit, beside what the panel changes."""

import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from sora2api.auth.audit import Audit
from sora2api.errors import Sora2ApiError
from sora2api.store.database import Database

_FROM: Final = "command line"


def _who() -> str:
    """Who runs this: the user, and whoever became that by sudo."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{name} ({behind})" if behind else name


WHO: Final = _who()
"""Said at once: a command that root runs goes on as the owner of the data."""


@dataclass(slots=True)
class Change:
    """What the audit keeps of a change, and without secrets: what it was made to, which was *before* and is *after*."""

    subject: str = ""
    before: Any = None
    after: Any = None


@asynccontextmanager
async def recorded(database: Database, operation: str) -> AsyncIterator[Change]:
    """Put on record what is done in this context, before it is tried and with its outcome after.

    The *operation* has its name in the admin API, where it has one. What is broken off, by Ctrl-C say, stays begun.
    """
    audit, change = Audit(database), Change()
    entry = await audit.begin(user=WHO, address=_FROM, operation=operation)
    try:
        yield change
    except (Sora2ApiError, SQLAlchemyError, OSError) as error:
        await audit.failed(entry, type(error).__name__)
        raise
    await audit.done(entry, subject=change.subject, before=change.before, after=change.after)
