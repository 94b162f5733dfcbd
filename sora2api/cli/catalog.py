"""`sora2api catalog`: what models cost, which accounts serve them, and models of one's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sora2api.cli.limits import Money, money
from sora2api.cli.recorded import recorded
from sora2api.cli.state import load_settings, open_state, plugins_folder, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.catalog import ModelBook
    from sora2api.modes import Model
    from sora2api.store.database import Database


@click.group("catalog")
def command() -> None:
    """The models that clients ask for. A running server takes changes over within two seconds."""


@command.command("list")
@state_options
def list_(data_dir: Path, as_json: bool) -> None:
    """List the models, whether or not an account serves them; a star marks those that you have set."""
    models, own = run(_list(data_dir))
    if as_json:
        print_json([_public(model) | {"set": model.name in own} for model in models])
        return
    rows = [
        (f"{model.name}{'*' if model.name in own else ''}", model.makes, model.size, _seconds(model), *_prices(model))
        for model in models
    ]
    print_table(("name", "makes", "size", "seconds", "a second", "an image", "group"), rows, empty="There are none.")


@command.command()
@click.argument("name")
@state_options
def show(name: str, data_dir: Path, as_json: bool) -> None:
    """Show a model, by any of its names, and the accounts that would serve it."""
    model, servers = run(_show(data_dir, name))
    if as_json:
        print_json(_public(model) | {"servers": servers})
        return
    for field, value in _public(model).items():
        told = ", ".join(value) if isinstance(value, tuple) else value
        if told not in (None, ""):
            click.echo(f"{field.replace('_', ' '):12} {told}")
    rows = ((each["account"], each["engine_model"], ", ".join(each["capabilities"])) for each in servers)
    print_table(("account", "by its model", "can do"), rows, empty="No account serves it.")


@command.command("set")
@click.argument("name")
@click.option("--cost-per-second", type=Money(), help="What a second of video costs, in your currency.")
@click.option("--cost-per-image", type=Money(), help="What an image costs, in your currency.")
@click.option("--group", help="The group of accounts that serves it; empty: any.")
@click.option("--makes", type=click.Choice(("image", "video")), help="Of a new model, what it makes.")
@click.option("--size", help="The size that it makes by default, as in 1280x720.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="The length that it makes by default.")
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="The longest that it makes.")
@click.option("--alias", "aliases", multiple=True, help="Another name of it; may be repeated.")
@click.option("--description", help="What clients are told of it.")
@state_options
def set_(name: str, data_dir: Path, as_json: bool, **given: Any) -> None:
    """Set something of a model, or make one of your own; what is not named stays."""
    model = run(_set(data_dir, name, given))
    if as_json:
        print_json(_public(model))
    else:
        click.echo(f"Set {model.name}.")


@command.command()
@click.argument("name")
@state_options
def unset(name: str, data_dir: Path, as_json: bool) -> None:
    """Take back all that you have set of a model."""
    run(_unset(data_dir, name))
    if as_json:
        print_json({"name": name, "unset": True})
    else:
        click.echo(f"Unset {name}.")


@asynccontextmanager
async def _book(folder: Path) -> "AsyncIterator[tuple[ModelBook, Database]]":
    """The models of a data directory, with those that its plugins bring."""
    from sora2api.catalog import ModelBook
    from sora2api.registry import discover

    async with open_state(folder) as database:
        settings = (await load_settings(folder, database)).settings
        registry = await asyncio.to_thread(
            discover, folder=plugins_folder(folder, settings), disabled=settings.disabled_plugins
        )
        book = ModelBook(registry, database)
        await book.load()
        yield book, database


async def _list(folder: Path) -> "tuple[list[Model], frozenset[str]]":
    async with _book(folder) as (book, _database):
        return list(book.all()), book.own


async def _show(folder: Path, name: str) -> "tuple[Model, list[dict[str, Any]]]":
    from sora2api.catalog import Catalog
    from sora2api.cli.account_parts import reached

    async with reached(folder) as parts:
        catalog = Catalog(parts.registry, parts.pool, parts.database)
        await catalog.load()
        model = catalog.resolve(name)
        serving = sorted(catalog.servers(model), key=lambda each: each.account.name)
    servers = [
        {"account": each.account.name, "engine_model": each.model, "capabilities": list(each.capabilities)}
        for each in serving
    ]
    return model, servers


async def _set(folder: Path, name: str, given: dict[str, Any]) -> "Model":
    from sora2api.catalog import revised

    async with _book(folder) as (book, database):
        changes = {word: value for word, value in given.items() if value not in (None, ())}
        before = book.find(name)
        model = revised(before, name, changes)
        async with recorded(database, "models.set") as change:
            change.subject, change.before, change.after = model.name, before, model
            await book.set(model)
        return model


async def _unset(folder: Path, name: str) -> None:
    async with _book(folder) as (book, database), recorded(database, "models.unset") as change:
        change.before = book.find(name)
        change.subject = name if change.before is None else change.before.name
        await book.unset(change.subject)
        change.after = book.find(change.subject)


def _prices(model: "Model") -> tuple[str, str, str]:
    cost = model.cost
    if cost is None:
        return "", "", model.group or ""
    return money(cost.per_second), money(cost.per_image), model.group or ""


def _seconds(model: "Model") -> str:
    return "" if model.seconds is None else f"{model.seconds:g}"


def _public(model: "Model") -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(model)
    cost = model.cost
    prices = {"cost_per_second": cost.per_second / 1e6, "cost_per_image": cost.per_image / 1e6} if cost else None
    return fields | {"cost": prices}
