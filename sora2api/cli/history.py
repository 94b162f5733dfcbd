"""What of `sora2api job` shows something: the list of jobs, and all that is known of one."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from sora2api.cli.state import open_state, print_json, run, state_options
from sora2api.observe.history import Histories, History, Moment, timeline

_WIDTH: Final = 100
_STATES: Final = ("queued", "in_progress", "completed", "failed", "cancelled")


@click.command("list")
@click.option("--status", type=click.Choice(_STATES), help="Those in this state.")
@click.option("--model", help="Those that asked for this model.")
@click.option("--key", help="Those of this API key, by its id or name.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@state_options
def list_(*, status: str | None, model: str | None, key: str | None, limit: int, data_dir: Path, as_json: bool) -> None:
    """List jobs, the newest first."""
    found = run(_list(data_dir, status=status, model=model, key=key, limit=limit))
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    for job in found:
        took = _long(job["completed_at"] - job["created_at"]) if job["completed_at"] else "-"
        error = job["error"]["code"] if job["error"] else ""
        start = f"{job['id']}  {_time(job['created_at']):%m-%d %H:%M:%S}  {job['status']:11} {took:>9}"
        click.echo(f"{start}  {job['model']} {error}".rstrip())
    if not found:
        click.echo("There are no such jobs here.")


@click.command()
@click.argument("job_id", metavar="ID")
@state_options
def show(*, job_id: str, data_dir: Path, as_json: bool) -> None:
    """Show the whole history of a job: its request, its tries with accounts, proxies and waits, and what happened."""
    history = run(_show(data_dir, job_id))
    if as_json:
        print_json(msgspec.to_builtins(history) | {"timeline": msgspec.to_builtins(timeline(history))})
        return
    _tell_job(history)
    _tell_tasks(history)
    _tell_timeline(timeline(history), began=history.job["created_at"])


async def _list(folder: Path, *, status: str | None, model: str | None, key: str | None, limit: int) -> Sequence[Any]:
    async with open_state(folder) as database:
        return await Histories(database).page(status=status, model=model, owner=key, last=None, limit=limit)


async def _show(folder: Path, job_id: str) -> History:
    async with open_state(folder) as database:
        return await Histories(database).get(job_id)


# For people.


def _tell_job(history: History) -> None:
    job = history.job
    ended = job["completed_at"]
    over = f" after {_long(ended - job['created_at'])}" if ended else f", {job['progress']} %"
    click.echo(f"{job['id']}  {job['status']}{over}")
    for name, value in _facts(job):
        click.echo(f"  {name:10} {value}")
    for way in history.ways:
        click.echo(f"  {'way':10} {way['step']}: {way['way']}, {way['reason']}")


def _facts(job: dict[str, Any]) -> Iterator[tuple[str, str]]:
    length = f", {job['seconds']:g} s" if job["seconds"] else ""
    yield "made", f"{_time(job['created_at']):%Y-%m-%d %H:%M:%S} UTC"
    yield "request", job["request_id"] or "not known"
    yield "key", f"{job['key'] or job['owner']} ({job['owner']})"
    yield "asked for", f"{job['kind']} by {job['mode']}, {job['model']}, {job['size']}{length}"
    if job["groups"]:
        yield "groups", ", ".join(job["groups"])
    if job["worker"]:
        yield "worker", job["worker"]
    yield "prompt", " ".join(job["prompt"].split())
    if job["error"]:
        yield "error", f"{job['error']['code']}: {job['error']['message']}"


def _tell_tasks(history: History) -> None:
    from rich.table import Table

    columns = ("step", "try", "account", "proxy", "waited", "taken", "progress", "made", "end", "outcome")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold", title_justify="left")
    for task in history.tasks:
        table.add_row(*_cells(task))
    if history.tasks:
        click.echo("\nTries; times are seconds after each was sent:")
        _print(table)


def _cells(task: dict[str, Any]) -> list[str]:
    sent = task["intended_at"]

    def after(moment: float | None) -> str:
        return "-" if moment is None else f"{moment - sent:.2f}"

    waited = "-" if task["asked_at"] is None else f"{sent - task['asked_at']:.2f}"
    outcome = task["error"]["code"] if task["error"] else "stored" if task["ended_at"] else "going on"
    stages = (after(task[name]) for name in ("submitted_at", "progressed_at", "made_at", "ended_at"))
    return [task["step"], str(task["attempt"]), task["account"], task["proxy"] or "direct", waited, *stages, outcome]


def _tell_timeline(moments: Sequence[Moment], *, began: float) -> None:
    """What happened, with the seconds since the job was made, and since what stands above."""
    from rich.table import Table
    from rich.text import Text

    table = Table("at", "since", "what", "", box=None, pad_edge=False, header_style="bold")
    before = None
    for moment in moments:
        since = "" if before is None else f"+{moment.at - before:.3f}"
        table.add_row(f"{moment.at - began:.3f}", since, Text(moment.what), Text(moment.detail, overflow="fold"))
        before = moment.at
    click.echo("\nWhat happened, in seconds after the job was made:")
    _print(table)


def _print(table: Any) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(table)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _long(seconds: float) -> str:
    return f"{seconds:.2f} s"


COMMANDS: Final = (list_, show)
