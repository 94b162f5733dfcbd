"""`sora2api log`: the requests of clients, what became of them, and the calls to engines made for them."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from sora2api.cli.state import open_state, print_json, print_table, run, state_options
from sora2api.errors import NotFound
from sora2api.observe.export import Format, exported
from sora2api.observe.reader import Filters, LoggedRequest, LogReader, Whole
from sora2api.observe.tail import Tail
from sora2api.store.database import Database
from sora2api.store.keyset import Cursor
from sora2api.store.tables import keys

Function = TypeVar("Function", bound=Callable[..., Any])

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LOOK: Final = 0.5
_STAGES: Final = ("queued", "submitted", "progressed", "made", "stored", "replied")


@click.group("log")
def command() -> None:
    """The log of requests. It can be read while the server runs and while it does not."""


def _moment(_context: click.Context, _option: click.Parameter, given: str | None) -> float | None:
    """A time, or how long ago: 2026-11-22, 2026-11-22T10:30, 30m, 12h, 7d."""
    if given is None:
        return None
    if given[-1:] in _UNITS and given[:-1].isdecimal():
        return time.time() - int(given[:-1]) * _UNITS[given[-1]]
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter(f"{given!r} is no time: 2026-11-22T10:30 (UTC), or 30m, 12h, 7d ago.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def filter_options(function: Function) -> Function:
    """An option for each of the `Filters`."""
    for option in (
        click.option("--text", help="Words of the prompt."),
        click.option("--until", callback=_moment, metavar="TIME", help="Before this time."),
        click.option(
            "--since", callback=_moment, metavar="TIME", help="From this time on; also as in 12h: so long ago."
        ),
        click.option("--path", help="What the path begins with."),
        click.option("--job", "job_id", help="The job that was made or changed."),
        click.option("--account", help="The name of the account that made it."),
        click.option("--model", help="The model."),
        click.option("--mode", help="The mode."),
        click.option("--code", help="The code of the error."),
        click.option("--status", type=int, help="The HTTP status."),
        click.option("--key", "key_id", help="The API key, by id or name."),
    ):
        function = option(function)
    return function


@command.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@state_options
def list_(*, data_dir: Path, as_json: bool, limit: int, **given: Any) -> None:
    """List requests, the newest first."""
    entries = run(_list(data_dir, given, limit))
    if as_json:
        print_json(msgspec.to_builtins(entries))
        return
    for entry in entries:
        click.echo(_line(entry))
    if not entries:
        click.echo("There are no such requests here.")


@command.command()
@filter_options
@click.option("-n", "--limit", type=click.IntRange(0, 1000), default=10, show_default=True, help="How many at first.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@state_options
def tail(*, data_dir: Path, as_json: bool, limit: int, follow: bool, **given: Any) -> None:
    """Show the last requests, the newest at the end; with --json one object a line."""
    run(_tail(data_dir, given, limit, follow=follow, as_json=as_json))


@command.command()
@click.argument("request_id", metavar="ID")
@state_options
def show(*, request_id: str, data_dir: Path, as_json: bool) -> None:
    """Show all that is known of a request: what it is about, its bodies, and the calls to engines."""
    whole = run(_show(data_dir, request_id))
    if as_json:
        print_json(msgspec.to_builtins(whole))
    else:
        _tell(whole)


@command.command()
@filter_options
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="How.")
@state_options
def export(*, data_dir: Path, as_json: bool, form: Format, **given: Any) -> None:
    """Write requests to standard output, the newest first. What is exported has no bodies."""
    run(_export(data_dir, given, "jsonl" if as_json else form))


async def _list(folder: Path, given: dict[str, Any], limit: int) -> list[LoggedRequest]:
    found: list[LoggedRequest] = []
    async with open_state(folder) as database:
        filters = await _filters(database, given)
        reader = LogReader(database)
        last: Cursor | None = None
        while len(found) < limit:
            page = await reader.page(filters, after=last, limit=limit - len(found))
            found += page.entries
            last = page.last
            if last is None:
                break
    return found


async def _tail(folder: Path, given: dict[str, Any], limit: int, *, follow: bool, as_json: bool) -> None:
    async with open_state(folder) as database:
        filters = await _filters(database, given)
        growing = Tail(database, filters)
        await growing.begin()
        first = (await LogReader(database).page(filters, limit=limit)).entries if limit else ()
        for entry in reversed(first):
            _tell_line(entry, as_json=as_json)
        shown = {entry.id for entry in first}
        while follow:
            entries = await growing.more()
            for entry in entries:
                if entry.id not in shown:
                    _tell_line(entry, as_json=as_json)
            if not entries:
                await asyncio.sleep(_LOOK)


def _tell_line(entry: LoggedRequest, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(entry))
    else:
        click.echo(_line(entry))


async def _show(folder: Path, request_id: str) -> Whole:
    async with open_state(folder) as database:
        return await LogReader(database).get(request_id)


async def _export(folder: Path, given: dict[str, Any], form: Format) -> None:
    async with open_state(folder) as database:
        filters = await _filters(database, given)
        async for line in exported(LogReader(database).all(filters), form):
            click.echo(line, nl=False)


async def _filters(database: Database, given: dict[str, Any]) -> Filters:
    """The filters, a key's name made its id; of one that is not there, what its id may once have been."""
    filters = Filters(**given)
    if filters.key_id is None:
        return filters
    wanted = keys.select().where((keys.c.id == filters.key_id) | (keys.c.name == filters.key_id))
    async with database.reading() as connection:
        found = (await connection.execute(wanted)).all()
    if len({row.id for row in found}) > 1:
        raise NotFound(f"Several API keys are called {filters.key_id!r}; name it by its id.")
    return msgspec.structs.replace(filters, key_id=found[0].id if found else filters.key_id)


# For people.


def _line(entry: LoggedRequest) -> str:
    what = f"{entry.method} {entry.path} {entry.code or ''}".rstrip()
    return f"{entry.id}  {_time(entry.at):%m-%d %H:%M:%S}  {entry.status or '-'}  {_seconds(entry.replied):>9}  {what}"


def _tell(whole: Whole) -> None:
    entry = whole.entry
    click.echo(f"{entry.id}  {_time(entry.at):%Y-%m-%d %H:%M:%S} UTC  {entry.method} {entry.path}")
    for name in ("status", "code", "key_id", "address", "bytes_in", "bytes_out", "job_id", "mode", "model"):
        _say(name, getattr(entry, name))
    for name in ("account", "proxy", "prompt"):
        _say(name, getattr(entry, name))
    stages = (f"{name} {_seconds(getattr(entry, name))}" for name in _STAGES if getattr(entry, name) is not None)
    _say("after", ", ".join(stages))
    for name, body in (("request", whole.request), ("reply", whole.reply)):
        if body is not None:
            click.echo(f"\n{name}:\n{msgspec.json.format(msgspec.json.encode(body), indent=2).decode()}")
    if whole.calls:
        click.echo("\ncalls to engines:")
    rows = [
        (
            _seconds(call.at - entry.at),
            call.account,
            f"{call.method} {call.url}",
            str(call.status or call.code or ""),
            _seconds(call.took),
        )
        for call in whole.calls
    ]
    if rows:
        print_table(("after", "account", "call", "answer", "took"), rows, empty="")


def _say(name: str, value: Any) -> None:
    if value not in (None, ""):
        click.echo(f"  {name:10} {value}")


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s"
