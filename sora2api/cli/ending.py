"""How commands end: with a documented status, and what went wrong in a sentence. Imports nothing that is slow."""

from typing import IO, Any, Final

import click
import orjson

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


def print_json(data: Any) -> None:
    click.echo(orjson.dumps(data))
