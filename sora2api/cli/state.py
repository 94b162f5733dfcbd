"""What commands that touch state share: the data directory and its database, their options, and how they fail."""

import asyncio
import os
import pwd
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from sora2api.cli.ending import INTERRUPTED, CommandFailed, print_json
from sora2api.cli.failures import failures_told
from sora2api.cli.reaching import reached
from sora2api.errors import Sora2ApiError
from sora2api.settings import Loaded, Settings, data_folder, load
from sora2api.store.chosen import chosen
from sora2api.store.database import FILE, Database
from sora2api.store.migrate import migrate

__all__ = (
    "CommandFailed",
    "load_settings",
    "open_state",
    "plugins_folder",
    "print_json",
    "print_table",
    "run",
    "state_options",
)

_ONE_LINE: Final = 100_000

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])


def state_options(function: Function) -> Function:
    """`--data-dir` (a Path, the default filled in) and `--json` (as *as_json*)."""
    with_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
    return click.option(
        "--data-dir",
        metavar="DIR",
        type=click.Path(file_okay=False, readable=False),
        callback=lambda _context, _option, given: reached(data_folder(given)),
        help="Where state is kept; else SORA2API_DATA_DIR, else ~/.local/share/sora2api.",
    )(with_json)


class Unreadable(Sora2ApiError):
    """The owner of the data directory cannot read the program."""

    code = "unreadable_program"


@asynccontextmanager
async def open_state(folder: Path) -> AsyncIterator[Database]:
    """The database of the data directory *folder*, both made where they are not there yet."""
    await asyncio.to_thread(prepare, folder)
    database = Database(folder / FILE)
    try:
        yield database
    finally:
        await database.close()


async def load_settings(folder: Path, database: Database, *, command_line: Mapping[str, Any] | None = None) -> Loaded:
    """The settings in force, those of the database (JSON values) among them."""
    said = await chosen(database, folder)
    return await asyncio.to_thread(load, folder, command_line=command_line, database=said)


def plugins_folder(folder: Path, settings: Settings) -> Path:
    """Where plugins lie that pip did not install."""
    return Path(settings.plugins_folder) if settings.plugins_folder else folder / "plugins"


def prepare(folder: Path) -> None:
    """Make the data directory and its database ready, as the directory's owner. Blocking."""
    enter(folder)
    migrate(folder)


def enter(folder: Path) -> None:
    """Make the data directory where it is not there yet, and go on as its owner. Blocking.

    A person is told of a new one: its path may be mistyped.
    """
    if sys.stderr.isatty() and not folder.exists():
        click.echo(f"A new data directory: {folder}", err=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    become_owner(folder)


def become_owner(folder: Path) -> None:
    """Where root runs a command on another user's *folder*, go on as that user: the server must be able to read all."""
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
    except KeyError:  # a user of a container's host has no name here
        os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    unreadable = [file for file in (os.__file__, __file__) if not os.access(file, os.R_OK, effective_ids=True)]
    os.seteuid(0)
    if unreadable:
        raise Unreadable(f"{folder} belongs to user {owner.st_uid}, who cannot read the program ({unreadable[0]}).")
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def run(command: Coroutine[Any, Any, T], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """Run a command to its end; what goes wrong becomes one line, not a traceback."""
    try:
        with failures_told(), asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(command)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table for people; where there are no rows, the *empty* sentence. Nothing is cut off, an id least of all.

    On a terminal cells are broken into lines; elsewhere each row is one.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_ONE_LINE)
    console.print(table if table.row_count else empty)
