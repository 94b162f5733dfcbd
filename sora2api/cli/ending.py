"""How commands end: with a documented status, and what went wrong in a sentence. Imports nothing that is slow."""

from typing import IO, Any, Final

import click
import orjson

from sora2api.errors import Sora2ApiError

FAILED: Final = 1
UNREACHED: Final = 3
INTERRUPTED: Final = 130


class CommandFailed(click.ClickException):
    """Ends a command with `error: …` and a status."""

    exit_code = FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"error: {self.message}", file=file, err=True)


class ServerAway(CommandFailed):
    """The same, where a server cannot be reached."""

    exit_code = UNREACHED


def sentence(trouble: Sora2ApiError | OSError) -> str:
    """What went wrong, with its code."""
    return f"{message_of(trouble)} ({code_of(trouble)})"


def message_of(trouble: Sora2ApiError | OSError) -> str:
    if isinstance(trouble, Sora2ApiError):
        return trouble.message
    about = f"{trouble.filename}: " if trouble.filename else ""
    return f"{about}{trouble.strerror}." if trouble.strerror else str(trouble)


def code_of(trouble: Sora2ApiError | OSError) -> str:
    """The code of an error, a server's own where it told one."""
    if isinstance(trouble, Sora2ApiError):
        return str(getattr(trouble, "error_code", trouble.code))
    return "system_error"


def print_json(data: Any) -> None:
    click.echo(orjson.dumps(data))
