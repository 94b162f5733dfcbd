"""What of `sora2api job` changes something: pause and resume the intake, cancel jobs."""

import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

import click

from sora2api.auth.keys import KeyBook
from sora2api.cli.recorded import recorded
from sora2api.cli.state import open_state, print_json, run, state_options
from sora2api.jobs.steering import UNFINISHED, Selection, order_cancel
from sora2api.jobs.steering import pause as pause_intake
from sora2api.store.database import Database

_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_KEY_ID: Final = re.compile(r"key_[0-9a-f]{24}|default")
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(_context: click.Context, _option: click.Parameter, given: str | None) -> float | None:
    """An age, in seconds."""
    if given is None:
        return None
    parts = _AGE.fullmatch(given.strip())
    if parts is None:
        raise click.BadParameter(f"{given!r} is no age: 90s, 15m, 2h, 1d.")
    return float(parts[1]) * _UNITS[parts[2]]


@click.command()
@state_options
def pause(data_dir: Path, as_json: bool) -> None:
    """Take no new jobs; those that there are go on. Holds over restarts, until `resume`."""
    run(_pause(data_dir, on=True))
    if as_json:
        print_json({"paused": True})
    else:
        click.echo("New jobs are refused from now on: `sora2api job resume` lets them in again.")


@click.command()
@state_options
def resume(data_dir: Path, as_json: bool) -> None:
    """Take new jobs again."""
    run(_pause(data_dir, on=False))
    if as_json:
        print_json({"paused": False})
    else:
        click.echo("New jobs are let in again.")


@click.command()
@click.argument("job_ids", metavar="[ID]...", nargs=-1)
@click.option("--status", type=click.Choice(UNFINISHED), help="Those that wait, or those that are worked.")
@click.option("--model", help="Those that asked for this model.")
@click.option("--key", help="Those of this API key, by its id or name.")
@click.option("--older-than", "age", callback=_seconds, help="Those asked for longer ago: 90s, 15m, 2h, 1d.")
@state_options
def cancel(
    job_ids: tuple[str, ...],
    *,
    status: str | None,
    model: str | None,
    key: str | None,
    age: float | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Cancel unfinished jobs, as if their clients had: those with these ids, or those that meet all the options.

    A running server does so within two seconds, else the next start.
    """
    if not (job_ids or status or model or key or age is not None):
        raise click.UsageError("Say which jobs: their ids, or --status, --model, --key, --older-than.")
    cancelled = run(_cancel(data_dir, job_ids, status=status, model=model, key=key, age=age))
    if as_json:
        print_json({"cancelled": list(cancelled)})
    else:
        click.echo(f"{len(cancelled)} jobs are being cancelled.")


COMMANDS: Final = (pause, resume, cancel)


async def _pause(folder: Path, *, on: bool) -> None:
    operation = "intake.pause" if on else "intake.resume"
    async with open_state(folder) as database, recorded(database, operation) as change:
        change.subject, change.after = "intake", {"paused": on}
        await pause_intake(database, on=on)


async def _cancel(
    folder: Path, ids: tuple[str, ...], *, status: str | None, model: str | None, key: str | None, age: float | None
) -> Collection[str]:
    async with open_state(folder) as database:
        selection = Selection(
            ids=ids,
            statuses=tuple(each for each in UNFINISHED if each == status),
            model=model,
            owner=None if key is None else await _owner(database, key),
            created_before=None if age is None else time.time() - age,
        )
        async with recorded(database, "jobs.cancel_all") as change:
            cancelled = await order_cancel(database, selection)
            change.subject, change.before, change.after = str(len(cancelled)), selection, {"ids": list(cancelled)}
            return cancelled


async def _owner(database: Database, key: str) -> str:
    """The id of an API key; one that was revoked may have jobs still."""
    if _KEY_ID.fullmatch(key):
        return key
    keys = KeyBook(database)
    await keys.load()
    return keys.get(key).id
