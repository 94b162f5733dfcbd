"""`sora2api panel-key`: the keys of the admin API, which does all that the panel does."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from sora2api.cli.recorded import Change, recorded
from sora2api.cli.state import open_state, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.auth.panel_keys import PanelKey, PanelKeys
    from sora2api.auth.users import Role

T = TypeVar("T")


@click.group("panel-key")
def command() -> None:
    """The keys of the admin API (/admin/api/v1), for programs that do what the panel does."""


@command.command("list")
@state_options
def list_(*, data_dir: Path, as_json: bool) -> None:
    """List the keys that were not revoked."""
    keys = run(_list(data_dir))
    if as_json:
        print_json(msgspec.to_builtins(keys))
        return
    rows = ((key.id, key.name, f"…{key.hint}", key.role, _day(key.created_at), _day(key.last_used_at)) for key in keys)
    empty = "No keys yet: sora2api panel-key create --name NAME --role ROLE"
    print_table(("id", "name", "key", "role", "made", "last used"), rows, empty=empty)


@command.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option(
    "--role", type=click.Choice(("viewer", "operator", "administrator")), required=True, help="What it may do."
)
@state_options
def create(*, name: str, role: "Role", data_dir: Path, as_json: bool) -> None:
    """Make a key and print it: it is shown only this once."""

    async def create(book: "PanelKeys", change: Change) -> "tuple[PanelKey, str]":
        change.subject = name
        change.after, secret = await book.create(name, role)
        return change.after, secret

    key, secret = run(_changing(data_dir, "panel_keys.create", create))
    if as_json:
        print_json({"id": key.id, "key": secret})
        return
    click.echo(secret)
    click.echo(f"This is {key.id}, {key.name}. Keep the key now: it is not shown again.", err=True)


@command.command()
@click.argument("key_id", metavar="ID")
@state_options
def revoke(*, key_id: str, data_dir: Path, as_json: bool) -> None:
    """End a key for good."""

    async def revoke(book: "PanelKeys", change: Change) -> "PanelKey":
        change.subject = key_id
        change.before = key = await book.revoke(key_id)
        change.subject = key.name
        return key

    key = run(_changing(data_dir, "panel_keys.revoke", revoke))
    if as_json:
        print_json({"id": key.id, "revoked": True})
    else:
        click.echo(f"Revoked {key.id}, {key.name}.")


async def _list(folder: Path) -> "Sequence[PanelKey]":
    from sora2api.auth.panel_keys import PanelKeys

    async with open_state(folder) as database:
        return await PanelKeys(database).list()


async def _changing(folder: Path, operation: str, act: "Callable[[PanelKeys, Change], Awaitable[T]]") -> T:
    """What *act* gives, which says what it changes."""
    from sora2api.auth.panel_keys import PanelKeys

    async with open_state(folder) as database, recorded(database, operation) as change:
        return await act(PanelKeys(database), change)


def _day(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
