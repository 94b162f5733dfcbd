"""`sora2api key`: the API keys of clients."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from sora2api.auth.keys import OVERLAP, ApiKey, KeyBook
from sora2api.auth.limits import UNLIMITED
from sora2api.cli.limits import CLEARABLE, Moment, changed, limit_options, money, words
from sora2api.cli.recorded import Change, recorded
from sora2api.cli.state import open_state, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.jobs.usage import Use
    from sora2api.store.database import Database

T = TypeVar("T")


@click.group("key")
def command() -> None:
    """The API keys of clients. A running server takes changes over within two seconds."""


@command.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--expires", type=Moment(), help="When it ends: 30d, 12h, 90m, or a day's beginning in UTC.")
@limit_options
@state_options
def create(name: str, expires: float | None, data_dir: Path, as_json: bool, **given: Any) -> None:
    """Make a key and print it: it is shown only this once. It may do anything but what options forbid."""
    limits = changed(UNLIMITED, given)

    async def create(keys: KeyBook, change: Change) -> tuple[ApiKey, str]:
        made, secret = await keys.create(name, expires_at=expires, limits=limits)
        change.subject, change.after = made.name, made
        return made, secret

    key, secret = run(_changing(data_dir, "keys.create", create))
    _show_secret(key, secret, as_json=as_json)


@command.command("list")
@state_options
def list_(data_dir: Path, as_json: bool) -> None:
    """List the keys that were not revoked, oldest first."""
    keys = run(_list(data_dir))
    if as_json:
        print_json(msgspec.to_builtins(keys))
        return
    rows = (
        (key.id, key.name, f"…{key.hint}", _day(key.created_at), _expiry(key), _day(key.last_used_at)) for key in keys
    )
    print_table(
        ("id", "name", "key", "made", "expires", "last used"),
        rows,
        empty="No keys yet: sora2api key create --name NAME",
    )


@command.command()
@click.argument("key", metavar="KEY")
@state_options
def show(key: str, data_dir: Path, as_json: bool) -> None:
    """Show a key, by id or name: its limits, what it has used of them today and this month, its last use."""
    found, today, month, in_flight = run(_use(data_dir, key))
    if as_json:
        use = {"today": _public(today), "this_month": _public(month), "jobs_in_flight": in_flight}
        print_json(msgspec.to_builtins(found) | use)
        return
    rows = [
        ("id", found.id),
        ("name", found.name),
        ("key", f"…{found.hint}"),
        ("made", _day(found.created_at)),
        ("expires", _expiry(found)),
        ("last used", _day(found.last_used_at)),
    ]
    if found.old_until is not None and found.old_until > time.time():
        rows.append(("old key holds until", _day(found.old_until)))
    rows += list(words(found.limits))
    rows += [
        ("used today", _sentence(today)),
        ("used this month", _sentence(month)),
        ("jobs under way", str(in_flight)),
    ]
    print_table(("", ""), rows, empty="")


@command.command()
@click.argument("key", metavar="KEY")
@click.option("--name", help="What it is called from now on.")
@click.option("--expires", type=Moment(), help="When it ends: 30d, 12h, 90m, or a day's beginning in UTC.")
@click.option("--clear", multiple=True, type=click.Choice(CLEARABLE), help="A limit to take away; may be repeated.")
@limit_options
@state_options
def change(
    key: str,
    name: str | None,
    expires: float | None,
    clear: tuple[str, ...],
    data_dir: Path,
    as_json: bool,
    **given: Any,
) -> None:
    """Change a key, by id or name: what is named and nothing else. Given again, a list takes the old one's place."""

    async def alter(keys: KeyBook, change: Change) -> ApiKey:
        found = keys.get(key)
        change.subject, change.before = found.name, found
        change.after = is_now = await keys.change(
            msgspec.structs.replace(
                found,
                name=found.name if name is None else name,
                expires_at=None if "expires" in clear else expires or found.expires_at,
                limits=changed(found.limits, given, clear=clear),
            )
        )
        return is_now

    found = run(_changing(data_dir, "keys.change", alter))
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        click.echo(f"Changed {found.id}, {found.name}.")


@command.command()
@click.argument("key", metavar="KEY")
@click.option(
    "--overlap",
    type=click.FloatRange(0),
    default=OVERLAP / 3600,
    show_default=True,
    help="Hours that the old one holds.",
)
@state_options
def rotate(key: str, overlap: float, data_dir: Path, as_json: bool) -> None:
    """Give a key, by id or name, a new secret and print it; what was made with the old one stays its own."""

    async def rotate(keys: KeyBook, change: Change) -> tuple[ApiKey, str]:
        change.before = keys.get(key)
        change.after, secret = await keys.rotate(change.before.id, overlap=overlap * 3600)
        change.subject = change.after.name
        return change.after, secret

    found, secret = run(_changing(data_dir, "keys.rotate", rotate))
    _show_secret(found, secret, as_json=as_json)


@command.command()
@click.argument("key_id", metavar="ID")
@state_options
def revoke(key_id: str, data_dir: Path, as_json: bool) -> None:
    """End a key for good."""

    async def revoke(keys: KeyBook, change: Change) -> None:
        change.before = next((key for key in keys.list() if key.id == key_id), None)
        change.subject = key_id if change.before is None else change.before.name
        await keys.revoke(key_id)

    run(_changing(data_dir, "keys.revoke", revoke))
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        click.echo(f"Revoked {key_id}.")


@asynccontextmanager
async def _book(folder: Path) -> "AsyncIterator[tuple[KeyBook, Database]]":
    """The keys of a data directory, and its database."""
    async with open_state(folder) as database:
        keys = KeyBook(database)
        await keys.load()
        yield keys, database


async def _changing(folder: Path, operation: str, act: Callable[[KeyBook, Change], Awaitable[T]]) -> T:
    """What *act* gives, which says what it changes."""
    async with _book(folder) as (keys, database), recorded(database, operation) as change:
        return await act(keys, change)


async def _list(folder: Path) -> tuple[ApiKey, ...]:
    async with _book(folder) as (keys, _database):
        return keys.list()


async def _use(folder: Path, word: str) -> "tuple[ApiKey, Use, Use, int]":
    """A key, what its jobs made today and this month, and how many are under way."""
    from sora2api.jobs.usage import UsageBook
    from sora2api.jobs.windows import begins

    async with _book(folder) as (keys, database):
        key, usage, now = keys.get(word), UsageBook(database), time.time()
        today = await usage.of_key(key.id, begins("day", now))
        month = await usage.of_key(key.id, begins("month", now))
        return key, today, month, await usage.in_flight(key.id)


def _show_secret(key: ApiKey, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": key.id, "key": secret})
        return
    click.echo(secret)
    click.echo(f"This is {key.id}, {key.name}. Keep the key now: it is not shown again.", err=True)


def _public(use: "Use") -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(use)
    return fields | {"cost": use.cost / 1e6}


def _sentence(use: "Use") -> str:
    return f"{use.jobs} jobs, {use.seconds:g} s of video, {use.images} images, {money(use.cost)} money"


def _expiry(key: ApiKey) -> str:
    if key.expires_at is None:
        return "never"
    return "expired" if key.expires_at <= time.time() else _day(key.expires_at)


def _day(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
