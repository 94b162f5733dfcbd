"""`sora2api db`: the database's revision, its migration, its size and whether it is whole."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from sora2api.cli.failures import failures_told
from sora2api.cli.state import CommandFailed, become_owner, print_json, state_options
from sora2api.migrations import HEAD
from sora2api.store.database import FILE
from sora2api.store.migrate import copy_of, migrate
from sora2api.store.migrate import current as current_revision

_MOST: Final = 100
"""How many faults a check names."""


@click.group(name="db")
def command() -> None:
    """The database: sora2api.db of the data directory."""


@command.command()
@state_options
def current(*, data_dir: Path, as_json: bool) -> None:
    """Show the database's revision, this program's, its size and its free pages. Changes nothing."""
    with failures_told():
        path = _there(data_dir)
        found, size = current_revision(path), _measured(path)
    if as_json:
        print_json({"revision": found, "program": HEAD, **size})
        return
    state = "this program's" if found == HEAD else f"`sora2api db upgrade` or the next start makes it {HEAD}"
    click.echo(f"{path} is at revision {found} ({state}).")
    click.echo(f"{size['bytes'] / 1e6:.1f} MB in {size['pages']} pages, {size['free_pages']} of them free.")


@command.command()
@state_options
def upgrade(*, data_dir: Path, as_json: bool) -> None:
    """Bring the database to this program's revision, as the next start would, after a copy was made beside it."""
    from sora2api.cli.stopped import stopped

    with failures_told():
        path = _there(data_dir)
        found = current_revision(path)
        if found != HEAD:
            with stopped(data_dir):
                migrate(data_dir)
    copy = str(copy_of(path)) if found != HEAD else None
    if as_json:
        print_json({"from": found, "to": HEAD, "copy": copy})
    elif copy is None:
        click.echo(f"The database is at revision {HEAD} already.")
    else:
        click.echo(f"Upgraded from revision {found} to {HEAD}. As it was before: {copy}")


@command.command()
@state_options
def vacuum(*, data_dir: Path, as_json: bool) -> None:
    """Give free pages back to the disk, while no server runs. Needs room for two more copies of the database."""
    from sora2api.cli.stopped import stopped

    with failures_told():
        path = _there(data_dir)
        before = _measured(path)
        with stopped(data_dir), closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        after = _measured(path)
    if as_json:
        print_json({"bytes_before": before["bytes"], "bytes": after["bytes"]})
    else:
        click.echo(f"{before['bytes'] / 1e6:.1f} MB before, {after['bytes'] / 1e6:.1f} MB now.")


@command.command()
@state_options
def check(*, data_dir: Path, as_json: bool) -> None:
    """Look whether the database is whole, whether a server runs or not. The exit status is 1 where it is not."""
    with failures_told():
        faults = _faults(_there(data_dir))
    if as_json:
        print_json({"faults": faults})
        if faults:
            raise SystemExit(1)
    elif faults:
        raise CommandFailed("The database is damaged; restore a backup.\n" + "\n".join(faults))
    else:
        click.echo("The database is whole.")


def _there(folder: Path) -> Path:
    """The database in *folder*, as its owner. A newer one raises `NewerDatabase`."""
    path = folder / FILE
    if not path.exists():
        raise CommandFailed(f"There is no database in {folder}.")
    become_owner(folder)
    current_revision(path)
    return path


def _measured(path: Path) -> dict[str, int]:
    """Sizes, with what is still in the write-ahead log."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        size, pages, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
    return {"bytes": size * pages, "pages": pages, "free_pages": free}


def _faults(path: Path) -> list[str]:
    """What SQLite finds wrong in the database, and rows that belong to none."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        try:
            found = [row[0] for row in connection.execute(f"PRAGMA integrity_check({_MOST})")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST)
        except sqlite3.OperationalError:  # it cannot be looked at
            raise
        except sqlite3.DatabaseError as error:
            return [str(error)]
    torn = [f"row {row} of {table} belongs to a row of {parent} that is not there" for table, row, parent, _ in orphans]
    return [line for line in found if line != "ok"] + torn
