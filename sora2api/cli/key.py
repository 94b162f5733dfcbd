"""`sora2api key`: the API keys of clients."""

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from sora2api.auth.keys import ApiKey, KeyBook
from sora2api.cli.state import open_state, print_json, print_table, run, state_options


@click.group("key")
def command() -> None:
    """The API keys of clients. A running server takes changes over within two seconds."""


@command.command()
@click.option("--name", required=True, help="What the key is for.")
@state_options
def create(name: str, data_dir: Path, as_json: bool) -> None:
    """Make a key and print it: it is shown only this once."""
    key, secret = run(_create(data_dir, name))
    if as_json:
        print_json({"id": key.id, "key": secret})
        return
    click.echo(secret)
    click.echo(f"This is {key.id}, {key.name}. Keep the key now: it is not shown again.", err=True)


@command.command("list")
@state_options
def list_(data_dir: Path, as_json: bool) -> None:
    """List the keys in force, oldest first."""
    keys = run(_list(data_dir))
    if as_json:
        print_json(msgspec.to_builtins(keys))
        return
    rows = ((key.id, key.name, f"…{key.hint}", _day(key.created_at)) for key in keys)
    print_table(("id", "name", "key", "made"), rows, empty="No keys yet: sora2api key create --name NAME")


@command.command()
@click.argument("key_id", metavar="ID")
@state_options
def revoke(key_id: str, data_dir: Path, as_json: bool) -> None:
    """End a key for good."""
    run(_revoke(data_dir, key_id))
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        click.echo(f"Revoked {key_id}.")


async def _create(folder: Path, name: str) -> tuple[ApiKey, str]:
    async with open_state(folder) as database:
        return await KeyBook(database).create(name)


async def _list(folder: Path) -> tuple[ApiKey, ...]:
    async with open_state(folder) as database:
        keys = KeyBook(database)
        await keys.load()
        return keys.list()


async def _revoke(folder: Path, key_id: str) -> None:
    async with open_state(folder) as database:
        await KeyBook(database).revoke(key_id)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
