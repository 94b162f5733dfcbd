"""`sora2api restore`: a backup put back into a data directory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from sora2api.cli.failures import failures_told
from sora2api.cli.state import become_owner, print_json, state_options
from sora2api.cli.stopped import stopped

if TYPE_CHECKING:
    from sora2api.backup.restoring import Restored

_KEY: Final = {
    "fits": "The secret key fits.",
    "not needed": "Nothing in it is sealed: the first start makes a secret key.",
    "missing": "The secret key is missing: before the start put the old server's secret.key into {folder} (mode 0600),"
    " or set SORA2API_SECRET_KEY if the key was given by that.",
    "wrong": "The secret key does not fit: before the start put the old server's secret.key into {folder} (mode 0600),"
    " or set SORA2API_SECRET_KEY to what it was there.",
}


@click.command(name="restore")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--force", is_flag=True, help="Move what is in the data directory aside, into a folder in it.")
@state_options
def command(*, file: str, force: bool, data_dir: Path, as_json: bool) -> None:
    """Put the backup FILE, or `-` for standard input, into an empty data directory where no server runs.

    All of it is checked before anything is changed. The next start migrates what an older version has left. Never let
    the old server run on beside the restored one: both would go on with the same jobs.
    """
    with failures_told():
        restored = _restored(file, data_dir, force=force)
    if as_json:
        print_json(_public(restored))
        return
    for line in _told(restored, data_dir):
        click.echo(line)


def _restored(file: str, folder: Path, *, force: bool) -> "Restored":
    from sora2api.backup.restoring import restore

    with _opened(file) as source, _made(folder):
        become_owner(folder)
        with stopped(folder):
            return restore(source, folder, force=force)


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    """The backup, opened before root goes on as the data directory's owner."""
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as source:
        yield source


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the *folder* where it is not there; without success it goes again."""
    if folder.exists():
        yield
        return
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield
    except BaseException:
        left = list(folder.iterdir())
        if all(path.suffix == ".lock" for path in left):  # nobody else has made anything in it
            for path in left:
                path.unlink()
            folder.rmdir()
        raise


def _public(restored: "Restored") -> dict[str, Any]:
    label = restored.manifest.label
    return {
        "version": label.version,
        "revision": label.revision,
        "created_at": label.created_at,
        "files": len(restored.manifest.files()),
        "missing": list(restored.manifest.missing),
        "aside": None if restored.aside is None else str(restored.aside),
        "key": restored.key,
    }


def _told(restored: "Restored", folder: Path) -> Iterator[str]:
    label, files = restored.manifest.label, len(restored.manifest.files())
    yield f"Restored to {folder}: the database at revision {label.revision}, {files} kept files."
    if restored.aside is not None:
        yield f"What was there before is in {restored.aside}."
    yield _KEY[restored.key].format(folder=folder)
