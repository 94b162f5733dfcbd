"""`sora2api proxy`: the listed proxies, and how they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sora2api.cli.recorded import recorded
from sora2api.cli.state import load_settings, open_state, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.accounts import AccountBook, ProxyBook
    from sora2api.accounts.probes import Probes
    from sora2api.accounts.proxies import Proxy
    from sora2api.store.database import Database


@click.group(name="proxy")
def command() -> None:
    """The proxies that accounts go through, by name. A running server takes changes over within two seconds."""


@command.command()
@click.argument("name")
@click.argument("url")
@state_options
def add(*, name: str, url: str, data_dir: Path, as_json: bool) -> None:
    """List a proxy under a NAME. Its URL begins with http, https, socks4, socks5 or socks5h."""
    run(_add(data_dir, name, url, as_json=as_json))


@command.command(name="list")
@state_options
def list_(*, data_dir: Path, as_json: bool) -> None:
    """List the proxies, with their latency and the accounts on each."""
    run(_list(data_dir, as_json=as_json))


@command.command()
@click.argument("proxy", metavar="NAME")
@click.option("--name", help="What it is called from now on; not while somebody names it.")
@click.option("--url", help="Where it is from now on.")
@state_options
def change(*, proxy: str, name: str | None, url: str | None, data_dir: Path, as_json: bool) -> None:
    """Change a proxy's name or URL."""
    changes = {field: value for field, value in (("name", name), ("url", url)) if value}
    if not changes:
        raise click.UsageError("Name what is to be changed: --name, --url.")
    run(_rename(data_dir, proxy, changes, as_json=as_json))


@command.command()
@click.argument("proxy", metavar="NAME|spread|none")
@click.option("--group", help="The accounts of this group.")
@click.option("--of", metavar="NAME|spread|none", help="The accounts that have this proxy now.")
@state_options
def assign(*, proxy: str, group: str | None, of: str | None, data_dir: Path, as_json: bool) -> None:
    """Give accounts a proxy: those of a group, those of another proxy, else all."""
    run(_assign(data_dir, None if proxy == "none" else proxy, group, of, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def remove(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Take a proxy that nobody names off the list."""
    run(_remove(data_dir, name, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def enable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Use a proxy; one that was quarantined is taken back."""
    back = {"enabled": True, "checked_at": None, "down": None, "down_at": None}
    run(_switch(data_dir, name, back, operation="proxies.enable", as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def disable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Send nothing more through a proxy; its accounts are moved or rested, as if it had failed."""
    run(_switch(data_dir, name, {"enabled": False}, operation="proxies.disable", as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def test(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Try a proxy: open a way to the engine of an account on it, or be greeted where there is none."""
    if not run(_test(data_dir, name, as_json=as_json)):
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class _State:
    database: "Database"
    proxies: "ProxyBook"
    accounts: "AccountBook"
    probes: "Probes"


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[_State]:
    from sora2api.accounts import AccountBook, ProxyBook
    from sora2api.accounts.probes import Probes
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database:
        settings = (await load_settings(folder, database)).settings
        vault = await asyncio.to_thread(Secrets.open, folder)
        proxies = ProxyBook(database, vault, default=settings.default_proxy, failure=settings.proxy_failure)
        await proxies.load()
        accounts = AccountBook(database, vault)
        await accounts.load()
        yield _State(database, proxies, accounts, Probes(accounts, proxies))


async def _add(folder: Path, name: str, url: str, *, as_json: bool) -> None:
    async with _opened(folder) as state:
        async with recorded(state.database, "proxies.add") as change:
            proxy = await state.proxies.add(name, url)
            change.subject, change.after = proxy.name, _public(proxy)
        _say(proxy, as_json=as_json)


async def _list(folder: Path, *, as_json: bool) -> None:
    async with _opened(folder) as state:
        uses = state.probes.uses()
    if as_json:
        print_json([_public(proxy) | {"accounts": len(uses.get(proxy.url, ()))} for proxy in state.proxies.all()])
        return
    rows = [
        (proxy.name, _public(proxy)["url"], str(len(uses.get(proxy.url, ()))), _latency(proxy.latency), _state(proxy))
        for proxy in state.proxies.all()
    ]
    print_table(
        ("name", "proxy", "accounts", "latency", "state"), rows, empty="No proxies yet: sora2api proxy add NAME URL"
    )


async def _remove(folder: Path, name: str, *, as_json: bool) -> None:
    from sora2api.errors import InvalidValue

    async with _opened(folder) as state:
        proxy = state.proxies.named(name)
        if users := _naming(state, proxy):
            raise InvalidValue(f"{proxy.name} is still named by {', '.join(users)}.", param="name")
        async with recorded(state.database, "proxies.remove") as change:
            change.subject, change.before = proxy.name, _public(proxy)
            await state.proxies.remove(proxy.id)
        _say(proxy, as_json=as_json)


async def _rename(folder: Path, name: str, changes: dict[str, Any], *, as_json: bool) -> None:
    from sora2api.errors import InvalidValue

    async with _opened(folder) as state:
        proxy = state.proxies.named(name)
        if "name" in changes and (users := _naming(state, proxy)):
            raise InvalidValue(f"{proxy.name} is named by {', '.join(users)}: its name stays.", param="name")
        _say(await _changed(state, proxy, changes, operation="proxies.change"), as_json=as_json)


async def _assign(folder: Path, word: str | None, group: str | None, of: str | None, *, as_json: bool) -> None:
    from sora2api.accounts.shown import proxy_of

    async with _opened(folder) as state:
        if word is not None:
            state.proxies.check_word(word)
        meant = [
            account
            for account in state.accounts.all()
            if account.removed_at is None
            and not account.sandbox
            and account.proxy != word
            and (group is None or group in account.groups)
            and of in (None, account.proxy or "none")
        ]
        async with recorded(state.database, "proxies.spread") as change:
            change.subject, change.after = str(len(meant)), word
            change.before = {account.name: proxy_of(account) for account in meant}
            for account in meant:
                await state.accounts.change(account.id, proxy=word, checked_at=None)
    if as_json:
        print_json({"changed": [account.name for account in meant]})
    else:
        click.echo(f"{len(meant)} accounts have another proxy now.")


def _naming(state: _State, proxy: "Proxy") -> list[str]:
    """Who says that proxy's name or id."""
    names = (proxy.id, proxy.name)
    users = [a.name for a in state.accounts.all() if a.removed_at is None and a.proxy in names]
    return [*users, "the setting default_proxy"] if state.proxies.word(None) in names else users


async def _switch(folder: Path, name: str, changes: dict[str, Any], *, operation: str, as_json: bool) -> None:
    async with _opened(folder) as state:
        proxy = await _changed(state, state.proxies.named(name), changes, operation=operation)
        _say(proxy, as_json=as_json)


async def _changed(state: _State, proxy: "Proxy", changes: dict[str, Any], *, operation: str) -> "Proxy":
    """The proxy as it is after the *changes*, which are on record as that *operation*."""
    async with recorded(state.database, operation) as change:
        change.subject, change.before = proxy.name, _public(proxy)
        proxy = await state.proxies.change(proxy.id, **changes)
        change.after = _public(proxy)
        return proxy


async def _test(folder: Path, name: str, *, as_json: bool) -> bool:
    from sora2api.accounts.probes import reason
    from sora2api.errors import ProxyFault

    async with _opened(folder) as state:
        proxy = state.proxies.named(name)
        users = state.probes.uses().get(proxy.url, [])
        trouble, latency = None, None
        try:
            latency = await state.probes.probe(proxy.url, users)
        except ProxyFault as error:
            trouble = reason(error)
    if as_json:
        print_json({"id": proxy.id, "name": proxy.name, "latency": latency, "trouble": trouble})
    elif latency is None:
        click.echo(f"{proxy.name} does not let us through: {trouble}")
    else:
        how = f"opened a way to the engine of {users[0].name}" if users else "answers (no account is on it)"
        click.echo(f"{proxy.name} {how} in {_latency(latency)}.")
    return latency is not None


def _public(proxy: "Proxy") -> dict[str, Any]:
    """A proxy without its credentials."""
    from sora2api.egress.proxies import shown

    fields = {name: getattr(proxy, name) for name in ("id", "name", "enabled", "checked_at", "latency", "down")}
    return fields | {"url": shown(proxy.url), "state": _state(proxy)}


def _state(proxy: "Proxy") -> str:
    if not proxy.enabled:
        return "disabled"
    return "ready" if proxy.down is None else proxy.down


def _latency(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"


def _say(proxy: "Proxy", *, as_json: bool) -> None:
    if as_json:
        print_json(_public(proxy))
    else:
        click.echo(f"Done: {proxy.name}.")
