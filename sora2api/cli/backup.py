"""`sora2api backup`: the data directory in one file, taken while the server runs."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import orjson

from sora2api.cli.ending import CommandFailed
from sora2api.cli.failures import failures_told
from sora2api.cli.state import become_owner, state_options

if TYPE_CHECKING:
    from sora2api.backup.manifest import Manifest


@click.command(name="backup")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--media/--no-media", default=True, show_default=True, help="With the kept videos and images.")
@click.option("--with-key/--without-key", default=False, show_default=True, help="With the secret key.")
@state_options
def command(*, file: str, media: bool, with_key: bool, data_dir: Path, as_json: bool) -> None:
    """Back the data directory up to FILE, or `-` for standard output, whether a server runs or not.

    Accounts' tokens are sealed with the secret key. Without it nobody opens those of the backup, its owner neither: so
    keep a copy of it elsewhere. With it, whoever has the file has the tokens.
    """
    with failures_told(), _drafts_removed():
        manifest = _taken(data_dir, file, media=media, key=with_key)
    if as_json:
        click.echo(orjson.dumps(_public(manifest, file)), err=file == "-")
        return
    for line in _told(manifest, data_dir, file):
        click.echo(line, err=file == "-")


@contextmanager
def _drafts_removed() -> Iterator[None]:
    """Let what ends a command otherwise at once (a time-out, a terminal that closes) leave no draft behind."""

    def ended(number: int, _frame: object) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)  # it is heard once: what is to be removed goes whole
        raise SystemExit(128 + number)

    heeded = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) == signal.SIG_DFL]
    for number in heeded:  # `nohup` has one ignored
        signal.signal(number, ended)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


def _taken(folder: Path, file: str, *, media: bool, key: bool) -> "Manifest":
    from sora2api.backup.taking import NothingThere, take, take_file

    if not folder.is_dir():
        raise NothingThere(f"There is no data directory {folder}.")
    become_owner(folder)
    if file != "-":
        return take_file(folder, Path(file).absolute(), media=media, key=key)
    if sys.stdout.isatty():
        raise click.UsageError("A terminal cannot keep a backup: name a file, or a pipe.")
    try:
        with tempfile.TemporaryDirectory(prefix="sora2api-") as scratch:
            manifest = take(folder, sys.stdout.buffer, media=media, key=key, scratch=Path(scratch))
            sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes as it ends
        raise CommandFailed("Standard output was closed before the backup was whole.") from error
    return manifest


def _public(manifest: "Manifest", file: str) -> dict[str, Any]:
    label, files = manifest.label, manifest.files()
    return {
        "file": None if file == "-" else file,
        "version": label.version,
        "revision": label.revision,
        "created_at": label.created_at,
        "bytes": sum(part.bytes for part in manifest.parts),
        "media": manifest.media,
        "files": len(files),
        "key": manifest.key,
        "missing": list(manifest.missing),
    }


def _told(manifest: "Manifest", folder: Path, file: str) -> Iterator[str]:
    size = sum(part.bytes for part in manifest.parts)
    files = f"{len(manifest.files())} kept files" if manifest.media else "no kept files"
    where = "standard output" if file == "-" else file
    yield f"Backed up to {where}: the database at revision {manifest.label.revision}, {files}; {size / 1e6:.1f} MB."
    if manifest.missing:
        yield f"{len(manifest.missing)} files that the database knows were not on the disk; its manifest names them."
    if manifest.key:
        yield "The secret key is in it: whoever has this file has the accounts' tokens."
    else:
        key = folder / "secret.key"
        source = str(key) if key.exists() else "SORA2API_SECRET_KEY"
        yield f"The secret key is not in it: keep a copy of {source} elsewhere, or nobody opens the accounts' tokens."
