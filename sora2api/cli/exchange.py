"""`sora2api account import` and `export`: accounts by file."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.cli.failures import failures_told
from sora2api.cli.recorded import WHO, recorded
from sora2api.cli.state import load_settings, open_state, plugins_folder, print_json, run, state_options

if TYPE_CHECKING:
    from sora2api.accounts.exchange import Format, Outcome, Plan, Row
    from sora2api.auth.first_start import Issued
    from sora2api.store.database import Database

log = logging.getLogger(__name__)

_passphrase_option = click.option(
    "--passphrase-file",
    type=click.File("r"),
    help="The passphrase is the first line of this file; else it is asked for.",
)


@click.command(name="import")
@click.argument("source", metavar="FILE", type=click.File("rb"))
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "json", "predecessor", "lines", "csv"]),
    default="auto",
    show_default=True,
    help="Our JSON, the predecessor's export, one token a line, or CSV whose header has the names of our JSON.",
)
@click.option("--driver", help="The driver of rows that name none.")
@click.option("--base-url", help="Where the engine of rows is that name none.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting of the driver; may be repeated.")
@click.option(
    "--name-prefix", metavar="TEXT", help="Rows without a name get this and a number; else the engine's host."
)
@click.option("--update", is_flag=True, help="Change accounts that are there already, rather than skip their rows.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@_passphrase_option
@state_options
def import_(
    *,
    data_dir: Path,
    as_json: bool,
    source: IO[bytes],
    passphrase_file: IO[str] | None,
    **given: Any,
) -> None:
    """Import accounts of FILE, or of standard input (-), with a report for each row.

    A row that is wrong loses no other. The exit status is 1 where any failed.
    """
    from sora2api.cli.account import settings_of

    given["settings"] = settings_of(given.pop("pairs"))
    with failures_told():  # who is asked for the passphrase can end it by Ctrl-C
        rows = _rows(source.read(), passphrase_file, given)
    failed = run(_import(data_dir, rows, given, as_json=as_json))
    if failed:
        raise SystemExit(1)


@click.command()
@click.option("--format", "form", type=click.Choice(["json", "csv"]), default="json", show_default=True)
@click.option("--with-secrets", is_flag=True, help="Tokens and passwords too, under a passphrase; JSON only.")
@_passphrase_option
@state_options
def export(*, data_dir: Path, as_json: bool, form: str, with_secrets: bool, passphrase_file: IO[str] | None) -> None:
    """Write the accounts to standard output, without secrets unless asked."""
    form = "json" if as_json else form
    if with_secrets and form == "csv":
        raise click.UsageError("Secrets are written as JSON only, which is sealed.")
    passphrase = _passphrase(passphrase_file, confirm=True) if with_secrets else None
    click.echo(run(_export(data_dir, form, passphrase)), nl=False)


async def _import(folder: Path, rows: "Sequence[Row]", given: dict[str, Any], *, as_json: bool) -> bool:
    """Whether any row failed."""
    from sora2api.accounts import AccountBook
    from sora2api.accounts.exchange import Plan
    from sora2api.accounts.proxies import ProxyBook
    from sora2api.registry import discover
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database:
        settings = (await load_settings(folder, database)).settings
        registry = await asyncio.to_thread(
            discover, folder=plugins_folder(folder, settings), disabled=settings.disabled_plugins
        )
        vault = await asyncio.to_thread(Secrets.open, folder)
        book, proxies = AccountBook(database, vault), ProxyBook(database, vault)
        await book.load()
        await proxies.load()
        plan = Plan(
            book,
            registry.drivers,
            check_proxy=proxies.check_word,
            prefix=given["name_prefix"],
            update=given["update"],
        )
        outcomes = [plan.take(row) for row in rows]
        issued = None if given["dry_run"] else await _carry_out(plan, outcomes, database, folder)
    _report(outcomes, issued, as_json=as_json)
    return any(outcome.result == "failed" for outcome in outcomes)


def _rows(data: bytes, passphrase_file: IO[str] | None, given: dict[str, Any]) -> "Sequence[Row]":
    from sora2api.accounts.exchange import Defaults, encrypted, opened, rows

    form: Format = given["form"]
    envelope = encrypted(data) if form in ("auto", "json") else None
    if envelope is not None:
        data, form = opened(envelope, _passphrase(passphrase_file)), "json"
    defaults = Defaults(driver=given["driver"], base_url=given["base_url"], settings=given["settings"])
    return rows(data, form=form, defaults=defaults)


async def _carry_out(
    plan: "Plan", outcomes: "Sequence[Outcome]", database: "Database", folder: Path
) -> "Issued | None":
    """What took the place of the documented defaults, where this ended them."""
    from sora2api.auth.first_start import Ending

    ending = await Ending.prepare(folder)
    issued = None

    async def end(connection: AsyncConnection) -> None:
        nonlocal issued
        issued = await ending(connection)

    async with recorded(database, "accounts.import") as change:
        await plan.carry_out(also=end)
        change.subject = _told(outcomes)
        change.after = [row.name for row in outcomes if row.result in ("added", "updated")]
    return issued


def _report(outcomes: "Sequence[Outcome]", issued: "Issued | None", *, as_json: bool) -> None:
    import msgspec

    from sora2api.cli.account import say_issued

    totals = _totals(outcomes)
    if as_json:
        first = None if issued is None else {"password": issued.password, "key": issued.key}
        print_json({"rows": msgspec.to_builtins(outcomes), **totals, "issued": first})
        return
    lines = [
        f"{outcome.row}: {outcome.name or '-'}: {outcome.result}" + (f": {outcome.why}" if outcome.why else "")
        for outcome in outcomes
    ]
    click.echo("\n".join([*lines, _told(outcomes)]))
    if issued is not None:
        say_issued(issued)


def _totals(outcomes: "Sequence[Outcome]") -> dict[str, int]:
    counts = Counter(outcome.result for outcome in outcomes)
    return {result: counts[result] for result in ("added", "updated", "skipped", "failed")}


def _told(outcomes: "Sequence[Outcome]") -> str:
    return ", ".join(f"{count} {result}" for result, count in _totals(outcomes).items())


async def _export(folder: Path, form: str, passphrase: str | None) -> bytes | str:
    from sora2api.accounts import AccountBook
    from sora2api.accounts.exchange import as_csv, as_json, sealed
    from sora2api.observe.logs import set_up
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database:
        book = AccountBook(database, await asyncio.to_thread(Secrets.open, folder))
        await book.load()
        async with recorded(database, "accounts.export") as change:
            change.subject = form
            change.after = {"accounts": len(book.all()), "secrets": passphrase is not None}
    if form == "csv":
        return as_csv(book.all())
    if passphrase is None:
        return as_json(book.all(), secrets=False)
    document = await asyncio.to_thread(sealed, as_json(book.all(), secrets=True), passphrase)
    set_up("info")
    log.warning("accounts exported with their secrets", extra={"by": WHO, "folder": folder})
    return document + b"\n"


def _passphrase(file: IO[str] | None, *, confirm: bool = False) -> str:
    if file is not None:
        return file.readline().rstrip("\r\n")
    asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return asked
