"""`sora2api doctor`: what is wrong with an installation, and what to do."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from yarl import URL

from sora2api.cli.ending import FAILED
from sora2api.cli.state import Unreadable, become_owner, print_json, run
from sora2api.settings import data_folder

if TYPE_CHECKING:
    from sora2api.doctor import Finding, State

WARNED: Final = 4
"""The exit status where there are warnings, and nothing is wrong."""
_MARKS: Final[dict["State", str]] = {"well": "✓", "warning": "!", "wrong": "✗", "unseen": "-"}


def _address(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    try:
        url = URL(given or "http://localhost")
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise click.BadParameter(f"{given!r} is no address of a server, as http://127.0.0.1:8000 is.")
    return given


@click.command()
@click.option("--url", metavar="URL", callback=_address, help="Where the server listens; else as the settings say.")
@click.option(
    "--data-dir",
    metavar="DIR",
    callback=lambda _context, _option, given: data_folder(given),  # whatever is wrong with it is what is looked for
    help="Where state is kept; else SORA2API_DATA_DIR, else ~/.local/share/sora2api.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, url: str | None, data_dir: Path, as_json: bool) -> None:
    """Find what is wrong, and say what to do. Changes nothing, whether the server runs or not.

    A line a check: ✓ well, ! a warning, ✗ wrong, - not seen, since something else is wrong. The exit status is 0 where
    all is well, 1 where something is wrong, 4 where there are warnings alone.
    """
    with _traceless():
        found = run(_examined(data_dir, url))
    if as_json:
        print_json([{"check": f.check, "state": f.state, "said": f.said, "advice": f.advice} for f in found])
    else:
        _show(found)
    states = {finding.state for finding in found}
    raise SystemExit(FAILED if "wrong" in states else WARNED if "warning" in states else 0)


@contextmanager
def _traceless() -> Iterator[None]:
    """Without a log, since what is found is told in the end, and without caches of plugins in the data directory."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        sys.dont_write_bytecode = before


async def _examined(folder: Path, url: str | None) -> list["Finding"]:
    from sora2api.doctor import examined
    from sora2api.doctor.aside import aside
    from sora2api.doctor.outcome import outcome

    return [*await outcome("user", aside(_as_owner, folder)), *await examined(folder, url=url)]


def _as_owner(folder: Path) -> list["Finding"]:
    """Where root asks, see what the server's user sees; what is wrong with that."""
    from sora2api.doctor import Finding

    try:
        become_owner(folder)
    except Unreadable as error:
        return [Finding("user", "wrong", error.message, "Install the program where that user can read it.")]
    except (FileNotFoundError, PermissionError):  # what comes of that is seen by the checks
        return []
    return []


def _show(found: Sequence["Finding"]) -> None:
    width = max(len(finding.check) for finding in found)
    for finding in found:
        advice = "" if finding.advice is None else f" → {finding.advice}"
        click.echo(f"{_MARKS[finding.state]} {finding.check:{width}}  {finding.said}{advice}")
