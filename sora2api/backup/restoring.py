"""Putting a backup back: checked whole in a folder of its own, then moved to its place."""

import gzip
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import IO, Final, Literal

from msgspec import Struct

from sora2api.backup.manifest import DATABASE, Manifest
from sora2api.backup.reading import BadBackup, Reader
from sora2api.errors import Sora2ApiError
from sora2api.migrations import HEAD, REVISIONS
from sora2api.store import key_file
from sora2api.store.database import FILE
from sora2api.store.key_file import FILE as KEY
from sora2api.store.migrate import NewerDatabase
from sora2api.store.secrets import file_key, given_key, key_of, opens, sealed_sample

Fit = Literal["fits", "wrong", "missing", "not needed"]

_DRAFT: Final = ".restore-"
_ASIDE: Final = "before-restore-"
_NO_STATE: Final = ("serve.lock", "migrate.lock", "lost+found")


class NotEmpty(Sora2ApiError):
    """The data directory is not empty."""

    code = "not_empty"


class Restored(Struct, frozen=True, kw_only=True):
    """What was put back. *aside*: where lies what was there before. *key*: whether the secret key opens the data."""

    manifest: Manifest
    aside: Path | None
    key: Fit


def restore(source: IO[bytes], folder: Path, *, force: bool) -> Restored:
    """Put the backup *source* into the data directory *folder*, where nobody else is at work meanwhile. Blocking.

    Raises `BadBackup`, `NewerDatabase` or `NotEmpty`, having changed nothing. *force* moves what is there aside.
    """
    reader = Reader(source)
    _check_revision(reader.label.revision)
    _clear(folder)
    if _state(folder) - {KEY} and not force:
        raise _not_empty(folder)
    with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=folder) as scratch:
        draft = Path(scratch)
        manifest = reader.extract(draft)
        _unpack(draft)
        coming = {path.name for path in draft.iterdir()}
        there = _state(folder)  # a command may have made something meanwhile
        if (there - {KEY} or there & coming) and not force:
            raise _not_empty(folder)
        os.sync()
        aside = _moved_aside(folder, there) if there and force else None
        _move(draft, folder, coming)
    if aside is not None:
        _keep_key(folder, aside)
    return Restored(manifest=manifest, aside=aside, key=_fit(folder))


def _clear(folder: Path) -> None:
    """Remove the drafts that restores have left which were broken off."""
    for left in folder.glob(f"{_DRAFT}*"):
        shutil.rmtree(left)


def _state(folder: Path) -> set[str]:
    """What is in *folder*, without locks, drafts, and what was moved aside before."""
    names = {path.name for path in folder.iterdir()} - set(_NO_STATE)
    return {name for name in names if not name.startswith((_ASIDE, _DRAFT))}


def _not_empty(folder: Path) -> NotEmpty:
    return NotEmpty(f"{folder} is not empty: name another one, or have what is there moved aside by --force.")


def _check_revision(revision: str) -> None:
    if revision not in REVISIONS:
        raise NewerDatabase(
            f"The database of this backup is at revision {revision}; this program knows up to {HEAD}:"
            " restore it with the version that made it, or a newer one."
        )


def _unpack(draft: Path) -> None:
    """Unpack the database and see that it is whole."""
    packed, path = draft / DATABASE, draft / FILE
    try:
        with gzip.open(packed) as source, path.open("xb") as target:
            os.fchmod(target.fileno(), 0o600)
            shutil.copyfileobj(source, target)
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (EOFError, gzip.BadGzipFile, sqlite3.Error) as error:
        raise BadBackup(f"The database of this backup cannot be opened: {error}.") from error
    if found != "ok":
        raise BadBackup(f"The database of this backup is damaged: {found}.")
    _check_revision(revision)
    packed.unlink()


def _moved_aside(folder: Path, names: Iterable[str]) -> Path:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = Path(tempfile.mkdtemp(prefix=f"{_ASIDE}{moment}-", dir=folder))
    _move(folder, aside, names)
    return aside


def _move(origin: Path, target: Path, names: Iterable[str]) -> None:
    """Move files and folders, the database last; where one cannot be moved, none is."""
    done: list[str] = []
    try:
        for name in sorted(names, key=lambda name: (name.startswith(FILE), name)):
            (origin / name).rename(target / name)
            done.append(name)
    except OSError:
        for name in done:
            (target / name).rename(origin / name)
        raise
    for folder in (target, origin):
        key_file.sync_folder(folder)


def _keep_key(folder: Path, aside: Path) -> None:
    """Let the key that was there stay, where the backup has none and it is the right one."""
    if (folder / KEY).exists() or not (aside / KEY).exists():
        return
    key = key_file.read(aside / KEY)
    sealed = sealed_sample(folder)
    if key is not None and sealed is not None and opens(key, sealed):
        (folder / KEY).hardlink_to(aside / KEY)


def _fit(folder: Path) -> Fit:
    sealed = sealed_sample(folder)
    if sealed is None:
        return "not needed"
    given = given_key()
    if given:
        return "fits" if opens(key_of(given), sealed) else "wrong"
    if file_key(folder, sealed) is not None:
        return "fits"
    return "wrong" if (folder / KEY).exists() else "missing"
