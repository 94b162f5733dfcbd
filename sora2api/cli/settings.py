"""`sora2api settings`: what is in force, where it comes from, and choosing it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sora2api.cli.recorded import recorded
from sora2api.cli.state import load_settings, open_state, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.jobs.settings_book import Setting, SettingsBook
    from sora2api.store.database import Database


@click.group("settings")
def command() -> None:
    """The settings, as a server that is started now would have them."""


@command.command("list")
@state_options
def list_(data_dir: Path, as_json: bool) -> None:
    """List the settings, each with its value and where it comes from."""
    settings = run(_all(data_dir))
    if as_json:
        print_json(msgspec.to_builtins(settings))
        return
    rows = [(each.name, _text(each.later), each.source) for each in settings]
    print_table(("name", "value", "from"), rows, empty="There are none.")


@command.command()
@click.argument("name")
@state_options
def get(name: str, data_dir: Path, as_json: bool) -> None:
    """Print the value of a setting."""
    _show(run(_get(data_dir, name)), as_json=as_json)


@command.command("set")
@click.argument("name")
@click.argument("value")
@state_options
def set_(name: str, value: str, data_dir: Path, as_json: bool) -> None:
    """Choose the value of a setting; lists are written with commas. All but `paused` wait for a start or a reload."""
    _show(run(_set(data_dir, name, value)), as_json=as_json)


@command.command()
@click.argument("name")
@state_options
def unset(name: str, data_dir: Path, as_json: bool) -> None:
    """Take back what was chosen: the value of the file holds again, or the default."""
    _show(run(_unset(data_dir, name)), as_json=as_json)


@asynccontextmanager
async def _book(folder: Path) -> "AsyncIterator[tuple[SettingsBook, Database]]":
    from sora2api.jobs.settings_book import SettingsBook
    from sora2api.settings import InForce

    async with open_state(folder) as database:
        yield SettingsBook(database, folder, InForce(await load_settings(folder, database))), database


async def _all(folder: Path) -> "Sequence[Setting]":
    async with _book(folder) as (book, _database):
        return await book.all()


async def _get(folder: Path, name: str) -> "Setting":
    async with _book(folder) as (book, _database):
        return await book.get(name)


async def _set(folder: Path, name: str, value: str) -> "Setting":
    return await _changed(folder, name, "settings.set", lambda book: book.set(name, value))


async def _unset(folder: Path, name: str) -> "Setting":
    return await _changed(folder, name, "settings.unset", lambda book: book.unset(name))


async def _changed(
    folder: Path, name: str, operation: str, does: "Callable[[SettingsBook], Awaitable[Setting]]"
) -> "Setting":
    async with _book(folder) as (book, database), recorded(database, operation) as change:
        change.subject, change.before = name, (await book.get(name)).later
        setting = await does(book)
        change.after = setting.later
        return setting


def _show(setting: "Setting", *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(setting))
    else:
        click.echo(_text(setting.later))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)
