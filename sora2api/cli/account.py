"""`sora2api account`: whose credentials are used at which engines."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.cli.exchange import export, import_
from sora2api.cli.state import load_settings, open_state, plugins_folder, print_json, print_table, run, state_options


@click.group(name="account")
def command() -> None:
    """The accounts at engines."""


command.add_command(import_)
command.add_command(export)


@command.command()
@click.option("--driver", required=True, help="Which kind of engine it is, as in `openai`.")
@click.option("--base-url", required=True, help="Where the engine is, as in http://10.0.0.5:8091/v1.")
@click.option("--token", help="The credential; none where the engine wants none.")
@click.option("--name", help="What the account is called; else the engine's host.")
@click.option("--proxy", help="The proxy that its calls go through: http, https, socks4, socks5 or socks5h.")
@click.option("--image-slots", type=click.IntRange(0), default=2, show_default=True, help="Images made at once.")
@click.option("--video-slots", type=click.IntRange(0), default=2, show_default=True, help="Videos made at once.")
@click.option("--weight", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="Its share.")
@click.option("--remake-lost", is_flag=True, help="Make again what the engine has lost; it costs nothing there.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting of the driver; may be repeated.")
@state_options
def add(*, data_dir: Path, as_json: bool, pairs: tuple[str, ...], **given: Any) -> None:
    """Add an account, and look whether its engine answers."""
    run(_add(data_dir, given | {"settings": settings_of(pairs)}, as_json=as_json))


@command.command(name="list")
@state_options
def list_(*, data_dir: Path, as_json: bool) -> None:
    """List the accounts."""
    run(_list(data_dir, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def remove(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Remove an account, by name or id; its tasks are followed to their end."""
    run(_remove(data_dir, name, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def enable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Use an account, by name or id; one that was set aside is taken back."""
    back = {"enabled": True, "set_aside": None, "set_aside_at": None, "rests_until": None, "checked_at": None}
    run(_change(data_dir, name, back, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def disable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Give an account, by name or id, no new tasks."""
    run(_change(data_dir, name, {"enabled": False}, as_json=as_json))


def settings_of(pairs: tuple[str, ...]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    wrong = next((pair for pair, (_, equals, _value) in zip(pairs, split, strict=True) if not equals), None)
    if wrong is not None:
        raise click.UsageError(f"--set takes NAME=VALUE, not {wrong!r}.")
    return {name: value for name, _, value in split}


async def _add(folder: Path, given: dict[str, Any], *, as_json: bool) -> None:
    from sora2api.accounts import AccountBook, Engines, Health, Pool, ProxyBook
    from sora2api.accounts.given import checked
    from sora2api.auth.first_start import Ending
    from sora2api.egress import GuardedFetch, Sessions
    from sora2api.errors import EngineError
    from sora2api.registry import discover
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database:
        settings = (await load_settings(folder, database)).settings
        registry = await asyncio.to_thread(
            discover, folder=plugins_folder(folder, settings), disabled=settings.disabled_plugins
        )
        given = checked(given, registry.drivers)
        ending = await Ending.prepare(folder)
        issued = None

        async def end(connection: AsyncConnection) -> None:
            nonlocal issued
            issued = await ending(connection)

        sessions = Sessions()
        vault = await asyncio.to_thread(Secrets.open, folder)
        book = AccountBook(database, vault)
        await book.load()
        proxies = ProxyBook(database, vault, default=settings.default_proxy, failure=settings.proxy_failure)
        await proxies.load()
        engines = Engines(registry.drivers, sessions, book=book, proxies=proxies, fetch=GuardedFetch())
        try:
            account = await book.add(**given, also=end)
            trouble = None
            try:
                await Health(book, engines, Pool(book, engines, sandbox=False, strategy="least_busy")).check(account)
            except EngineError as error:
                trouble = f"{error.code}: {error.message}"
        finally:
            await sessions.close()
        account = book.get(account.id)
    models = [model.name for model in account.models]
    if as_json:
        first = None if issued is None else {"password": issued.password, "key": issued.key}
        print_json({"id": account.id, "name": account.name, "models": models, "trouble": trouble, "issued": first})
        return
    click.echo(f"Added {account.name} ({account.id}).")
    click.echo(f"It offers: {', '.join(models)}." if trouble is None else f"It does not answer yet ({trouble})")
    if issued is not None:
        say_issued(issued)


def say_issued(issued: Any) -> None:
    """Show what took the place of the documented defaults."""
    password = f"panel login admin / {issued.password}, " if issued.password else ""
    click.echo(f"The defaults have ended. Shown only now, and kept in {issued.file}:")
    click.echo(f"  {password}API key {issued.key}")


async def _list(folder: Path, *, as_json: bool) -> None:
    from sora2api.accounts import Account

    async with _book(folder) as book:
        accounts = [account for account in book.all() if account.removed_at is None]

    def state(account: Account) -> str:
        if not account.enabled:
            return "disabled"
        return "ready" if account.ready(time.time()) else account.set_aside or "resting"

    if as_json:
        print_json([_public(account) | {"state": state(account)} for account in accounts])
        return
    rows = [(a.id, a.name, a.driver, a.base_url, f"{a.image_slots}/{a.video_slots}", state(a)) for a in accounts]
    print_table(
        ("id", "name", "driver", "base URL", "slots", "state"),
        rows,
        empty="There are no accounts: the sandbox answers.",
    )


def _public(account: Any) -> dict[str, Any]:
    """An account without its secrets."""
    shown = ("id", "name", "driver", "base_url", "image_slots", "video_slots", "weight", "enabled", "sandbox")
    fields = {name: getattr(account, name) for name in shown}
    return fields | {"models": [model.name for model in account.models], "rests_until": account.rests_until}


async def _remove(folder: Path, name: str, *, as_json: bool) -> None:
    async with _book(folder) as book:
        account = book.named(name)
        await book.remove(account.id)
    _say(account, as_json=as_json)


async def _change(folder: Path, name: str, changes: dict[str, Any], *, as_json: bool) -> None:
    async with _book(folder) as book:
        account = await book.change(book.named(name).id, **changes)
    _say(account, as_json=as_json)


@asynccontextmanager
async def _book(folder: Path) -> AsyncIterator[Any]:
    """The accounts of a data directory."""
    from sora2api.accounts import AccountBook
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database:
        book = AccountBook(database, await asyncio.to_thread(Secrets.open, folder))
        await book.load()
        yield book


def _say(account: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(_public(account))
    else:
        click.echo(f"Done: {account.name}.")
