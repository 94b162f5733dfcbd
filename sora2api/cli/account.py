"""`sora2api account`: whose credentials are used at which engines."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.cli.exchange import export, import_
from sora2api.cli.recorded import recorded
from sora2api.cli.state import load_settings, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.accounts import Account
    from sora2api.accounts.lanes import Standing
    from sora2api.cli.account_parts import Listed, Reached

Function = TypeVar("Function", bound=Callable[..., Any])


class OrNone(click.ParamType[Any]):
    """A value, or the word `none` for no value."""

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self.kind = kind
        self.name = f"{kind.name}|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "none" else self.kind.convert(value, param, ctx)


_TOLD: Final = ("name", "ok", "models", "latency", "route", "expires_at")
"""What is said of every test in JSON, known or not."""
_SECRET: Final = ("token", "refresh_token", "base_url", "proxy")
_COUNT: Final = OrNone(click.IntRange(0))
_FIELDS: Final = (
    click.option("--token", help="The credential; none where the engine wants none."),
    click.option("--proxy", help="A proxy's URL, the name of a listed one, or `spread`: evenly over those listed."),
    click.option("--image-slots", type=click.IntRange(0), help="Images made at once; else 2."),
    click.option("--video-slots", type=click.IntRange(0), help="Videos made at once; else 2."),
    click.option("--group", "groups", multiple=True, help="A group that it is in; may be repeated."),
    click.option("--priority", type=int, help="Higher goes first, lower ones when those have no free slot; else 0."),
    click.option("--weight", type=click.FloatRange(0, min_open=True), help="Its share, by the strategy `weighted`."),
    click.option("--calls-a-minute", type=OrNone(click.IntRange(1)), help="How often its engine may be polled."),
    click.option("--daily-images", type=_COUNT, help="Image tasks that it may be given a day (UTC)."),
    click.option("--daily-videos", type=_COUNT, help="Video tasks that it may be given a day (UTC)."),
    click.option("--refresh-token", help="What new tokens are got with, by OAuth 2."),
    click.option("--refresh-url", help="Where new tokens are got."),
    click.option("--client-id", help="Who asks for them, where that server wants to know."),
    click.option("--remake-lost/--no-remake-lost", default=None, help="Make again what the engine has lost."),
    click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting of the driver; repeatable."),
)


def field_options(function: Function) -> Function:
    """The options that adding and changing an account share; what is not given is absent."""
    for option in reversed(_FIELDS):
        function = option(function)
    return function


@click.group(name="account")
def command() -> None:
    """The accounts at engines. A running server takes changes over within two seconds."""


command.add_command(import_)
command.add_command(export)


@command.command()
@click.option("--driver", required=True, help="Which kind of engine it is, as in `openai`.")
@click.option("--base-url", required=True, help="Where the engine is, as in http://10.0.0.5:8091/v1.")
@click.option("--name", help="What the account is called; else the engine's host.")
@field_options
@state_options
def add(*, data_dir: Path, as_json: bool, **given: Any) -> None:
    """Add an account, and look whether its engine answers."""
    run(_add(data_dir, _said(given), as_json=as_json))


@command.command()
@click.argument("account", metavar="NAME")
@click.option("--driver", help="Which kind of engine it is.")
@click.option("--base-url", help="Where the engine is.")
@click.option("--name", help="What it is called from now on.")
@field_options
@click.option("--unset", multiple=True, metavar="NAME", help="A setting of the driver that is to be as by default.")
@state_options
def change(*, account: str, data_dir: Path, as_json: bool, unset: tuple[str, ...], **given: Any) -> None:
    """Change what is named of an account; all else stays. The word `none` clears a field, as in `--proxy none`."""
    run(_change(data_dir, account, _said(given), unset=unset, as_json=as_json))


@command.command(name="list")
@state_options
def list_(*, data_dir: Path, as_json: bool) -> None:
    """List the accounts: how each is, why, and until when."""
    run(_list(data_dir, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def show(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Show all of an account, by name or id, but its secrets."""
    run(_show(data_dir, name, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def test(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Ask an account's engine for its models, which costs nothing. The exit status is 1 where that fails."""
    if not run(_test(data_dir, name, as_json=as_json)):
        raise SystemExit(1)


@command.command()
@click.argument("name")
@state_options
def remove(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Remove an account, by name or id; its tasks are followed to their end."""
    run(_remove(data_dir, name, as_json=as_json))


@command.command()
@click.argument("account_id", metavar="ID")
@state_options
def restore(*, account_id: str, data_dir: Path, as_json: bool) -> None:
    """Take back an account that was removed, by its id; its name must still be free."""
    run(_restore(data_dir, account_id, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def reveal(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Show what is secret of an account, by name or id: its tokens, and its addresses with their passwords."""
    run(_reveal(data_dir, name, as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def enable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Use an account, by name or id; one that was set aside is taken back."""
    back = {"enabled": True, "set_aside": None, "set_aside_at": None, "rests_until": None, "checked_at": None}
    run(_switch(data_dir, name, back, operation="accounts.enable", as_json=as_json))


@command.command()
@click.argument("name")
@state_options
def disable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Give an account, by name or id, no new tasks; those that it has are followed to their end."""
    run(_switch(data_dir, name, {"enabled": False}, operation="accounts.disable", as_json=as_json))


def settings_of(pairs: tuple[str, ...]) -> dict[str, Any]:
    """By name; what begins as an object or a list of JSON is read as such."""
    split = [pair.partition("=") for pair in pairs]
    wrong = next((pair for pair, (_, equals, _value) in zip(pairs, split, strict=True) if not equals), None)
    if wrong is not None:
        raise click.UsageError(f"--set takes NAME=VALUE, not {wrong!r}.")
    try:
        return {name: json.loads(value) if value.startswith(("{", "[")) else value for name, _, value in split}
    except json.JSONDecodeError as exc:
        raise click.UsageError(f"--set has JSON that cannot be read: {exc}.") from exc


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """The fields that were named on the command line; None: to be cleared."""
    settings = settings_of(given.pop("pairs"))
    groups = given.pop("groups")
    fields = {name: None if value == "none" else value for name, value in given.items() if value is not None}
    if settings:
        fields["settings"] = settings
    if groups:
        fields["groups"] = () if groups == ("none",) else tuple(dict.fromkeys(groups))
    return fields


def _offered(models: Sequence[str]) -> str:
    if models:
        return f"It offers: {', '.join(models)}."
    return (
        "It names no models, so it gets no work: see whether the base URL is right (most end in /v1), or say which "
        "makes what: `sora2api account change NAME --set video_model=…` (or image_model)."
    )


async def _add(folder: Path, fields: dict[str, Any], *, as_json: bool) -> None:
    from sora2api.accounts.given import checked
    from sora2api.accounts.shown import audited
    from sora2api.auth.first_start import Ending
    from sora2api.cli.account_parts import reached
    from sora2api.errors import EngineError, NoEngine

    issued = None
    async with reached(folder) as parts:
        fields = checked(fields, parts.engines.kinds, check_proxy=parts.proxies.check_word)
        ending = await Ending.prepare(folder)

        async def end(connection: AsyncConnection) -> None:
            nonlocal issued
            issued = await ending(connection)

        async with recorded(parts.database, "accounts.add") as change:
            account = await parts.book.add(**fields, also=end)
            change.subject, change.after = account.name, audited(account)
        trouble = None
        try:
            await parts.health.check(account)
        except (EngineError, NoEngine) as error:
            trouble = f"{error.code}: {error.message}"
        account = parts.book.get(account.id)
    models = [model.name for model in account.models]
    if as_json:
        first = None if issued is None else {"password": issued.password, "key": issued.key}
        print_json({"id": account.id, "name": account.name, "models": models, "trouble": trouble, "issued": first})
        return
    click.echo(f"Added {account.name} ({account.id}).")
    click.echo(_offered(models) if trouble is None else f"It does not answer yet ({trouble})")
    if issued is not None:
        say_issued(issued)


def say_issued(issued: Any) -> None:
    """Show what took the place of the documented defaults."""
    password = f"panel login admin / {issued.password}, " if issued.password else ""
    click.echo(f"The defaults have ended. Shown only now, and kept in {issued.file}:")
    click.echo(f"  {password}API key {issued.key}")


async def _change(folder: Path, name: str, fields: dict[str, Any], *, unset: tuple[str, ...], as_json: bool) -> None:
    from sora2api.accounts.given import Given, checked, forgotten
    from sora2api.cli.account_parts import reached

    async with reached(folder) as parts:
        account = parts.book.named(name)
        if "settings" in fields or unset:
            settings = account.settings | fields.get("settings", {})
            fields["settings"] = {name: value for name, value in settings.items() if name not in unset}
        if not fields:
            raise click.UsageError("Name what is to be changed, as in --video-slots 4.")
        whole = {field: getattr(account, field) for field in Given.__struct_fields__} | fields
        right = checked(whole, parts.engines.kinds, check_proxy=parts.proxies.check_word)
        changes = {field: right[field] for field in fields}
        account = await _changed(parts, account, changes | forgotten(changes), operation="accounts.change")
        _say(account, parts.standing, as_json=as_json)


async def _changed(
    parts: "Listed | Reached", account: "Account", changes: dict[str, Any], *, operation: str
) -> "Account":
    """The account as it is after the *changes*, which are on record as that *operation*."""
    from sora2api.accounts.shown import audited

    async with recorded(parts.database, operation) as change:
        change.subject, change.before = account.name, audited(account)
        account = await parts.book.change(account.id, **changes)
        change.after = audited(account)
        return account


async def _switch(folder: Path, name: str, changes: dict[str, Any], *, operation: str, as_json: bool) -> None:
    from sora2api.cli.account_parts import listed

    async with listed(folder) as known:
        account = await _changed(known, known.book.named(name), changes, operation=operation)
        _say(account, known.standing, as_json=as_json)


async def _remove(folder: Path, name: str, *, as_json: bool) -> None:
    from sora2api.accounts.shown import audited
    from sora2api.cli.account_parts import listed

    async with listed(folder) as known:
        account = known.book.named(name)
        async with recorded(known.database, "accounts.remove") as change:
            change.subject, change.before = account.name, audited(account)
            await known.book.remove(account.id)
        _say(account, known.standing, as_json=as_json)


async def _restore(folder: Path, account_id: str, *, as_json: bool) -> None:
    from sora2api.cli.account_parts import listed

    async with listed(folder) as known:
        account = known.book.get(account_id)
        back = {"name": account.name, "removed_at": None}
        account = await _changed(known, account, back, operation="accounts.restore")
        _say(account, known.standing, as_json=as_json)


async def _reveal(folder: Path, name: str, *, as_json: bool) -> None:
    from sora2api.cli.account_parts import listed

    async with listed(folder) as known:
        account = known.book.named(name)
        async with recorded(known.database, "accounts.reveal") as change:
            change.subject = account.name
    secrets = {field: getattr(account, field) for field in _SECRET}
    if as_json:
        print_json({"id": account.id, "name": account.name, **secrets})
        return
    for field, value in secrets.items():
        click.echo(f"{field.replace('_', ' ')}: {value or '-'}")


async def _list(folder: Path, *, as_json: bool) -> None:
    from sora2api.accounts.shown import public, state_of
    from sora2api.cli.account_parts import listed

    async with listed(folder) as known:
        over = known.book.ever_real and not (await load_settings(folder, known.database)).settings.sandbox
        accounts = [each for each in known.book.all() if each.removed_at is None and not (over and each.sandbox)]
        standing = known.standing
    if as_json:
        print_json([public(account, standing) for account in accounts])
        return
    rows = []
    for account in accounts:
        state = state_of(account, standing)
        slots = f"{account.image_slots}/{account.video_slots}"
        where = (account.id, account.name, account.driver, account.base_url, slots)
        rows.append((*where, state.state, _when(state.until), state.why or ""))
    columns = ("id", "name", "driver", "base URL", "slots", "state", "until", "why")
    print_table(columns, rows, empty="There are no accounts: the sandbox answers.")


async def _show(folder: Path, name: str, *, as_json: bool) -> None:
    from sora2api.accounts.shown import public
    from sora2api.cli.account_parts import listed

    async with listed(folder) as known:
        fields = public(known.book.named(name), known.standing)
    if as_json:
        print_json(fields)
        return
    for field, value in fields.items():
        text = _when(value) if field.endswith(("_at", "until")) else value
        if isinstance(value, list | tuple | dict):
            pairs = (f"{name}={each}" for name, each in value.items()) if isinstance(value, dict) else value
            text = ", ".join(pairs)
        click.echo(f"{field.replace('_', ' ')}: {'-' if text in (None, '') else text}")


async def _test(folder: Path, name: str, *, as_json: bool) -> bool:
    """Whether the engine answers."""
    import time

    from msgspec.structs import asdict

    from sora2api.accounts.trying import looked_at
    from sora2api.cli.account_parts import reached

    async with reached(folder) as parts:
        found = await looked_at(parts.book.named(name), proxies=parts.proxies, health=parts.health)
        await parts.book.change(parts.book.named(name).id, checked_at=time.time())  # for a running server to look
    if as_json:
        print_json({field: value for field, value in asdict(found).items() if field in _TOLD or value is not None})
    elif found.latency is not None:
        way = "directly" if found.route is None else f"by {found.route}"
        click.echo(f"{found.name} answers in {found.latency:.2f} s, {way}.")
        click.echo(_offered(found.models))
        if found.expires_at is not None:
            click.echo(f"Its token ends on {_when(found.expires_at)}.")
    else:
        click.echo(f"{found.name} does not answer ({found.code}): {found.message}\n{found.advice}", err=True)
    return found.ok


def _when(at: float | None) -> str:
    from sora2api.accounts.reasons import moment

    return "" if at is None else moment(at)


def _say(account: "Account", standing: "Standing", *, as_json: bool) -> None:
    from sora2api.accounts.shown import public

    if as_json:
        print_json(public(account, standing))
    else:
        click.echo(f"Done: {account.name}.")
