"""Reading the settings again while the server runs, and with them all that it holds in memory of the database."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from sora2api.cli.state import load_settings
from sora2api.errors import Sora2ApiError
from sora2api.observe.logs import set_up

if TYPE_CHECKING:
    from sora2api.app import Server

log = logging.getLogger(__name__)


async def reload(server: "Server", folder: Path, given: Mapping[str, Any]) -> None:
    """Go by the settings as they are now, as far as a running server can; *given* are those of the command line.

    What is wrong is said in one line, and nothing is changed by it.
    """
    base = server.parts.base
    try:
        found = await load_settings(folder, base.database, command_line=given)
        changed, waiting = base.in_force.take(found)
        await server.changes.look(anyway=True)
    except (Sora2ApiError, SQLAlchemyError, OSError, UnicodeDecodeError) as error:
        log.error("not reloaded", extra={"error": str(error)})  # noqa: TRY400 - a line, not a traceback
        return
    if {"log_level", "log_format"} & {*changed}:
        set_up(base.settings.log_level, base.settings.log_format)
    said = {"changed": ",".join(changed), "wait_for_restart": ",".join(waiting)}
    log.log(logging.WARNING if waiting else logging.INFO, "reloaded", extra=said)
