"""The database: its revision, whether it is whole, and whether its log is written back."""

import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

from sora2api.doctor.finding import Case, Finding, unseen, warning, well, wrong
from sora2api.doctor.looking import Unopened, reading, there
from sora2api.migrations import HEAD
from sora2api.store.database import FILE
from sora2api.store.migrate import NewerDatabase, copy_of, revision_in

_LONG_LOG: Final = 64 * 1024 * 1024
"""SQLite writes its log back from 4 MB on; what is so much more has not been for long."""
_PATIENCE: Final = 10.0
_STEPS: Final = 10_000
"""Of SQLite's machine, between two looks at the clock."""
_BACKUP: Final = "restore a backup: `sora2api restore FILE`."


def look(case: Case) -> list[Finding]:
    path = case.folder / FILE
    try:
        begun = there(path)
    except Unopened as error:
        return [wrong("database", error.message, "Mend what is said of the directory.")]
    if not begun:
        return [well("database", f"There is none in {case.folder} yet: the first start makes it.")]
    return [_revision(path), _log(path)]


def _revision(path: Path) -> Finding:
    try:
        with reading(path) as connection:
            found = revision_in(connection)
    except Unopened as error:
        advice = f"See that the server's user may read it, and that it is no other file; where it is damaged, {_BACKUP}"
        return wrong("database", error.message, advice)
    except NewerDatabase as error:
        return wrong("database", error.message, f"Install the newer version of sora2api again, or {_BACKUP}")
    if found == HEAD:
        return well("database", f"{path} is at this program's revision, {HEAD}.")
    return _older(path, found)


def _older(path: Path, found: str | None) -> Finding:
    said = f"{path} is at revision {found}; the next start brings it to {HEAD}"
    if shutil.disk_usage(path.parent).free < 2 * path.stat().st_size:
        return wrong("database", f"{said}, which the disk has no room for.", "Free as much again as twice its size.")
    advice = f"`sora2api db upgrade`, or start the server; as it was, it is kept in {copy_of(path).name}."
    return warning("database", f"{said}.", advice)


def _log(path: Path) -> Finding:
    try:
        size = path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return well("write-ahead log", "All is written back into the database.")
    if size <= _LONG_LOG:
        return well("write-ahead log", f"{size / 1e6:.1f} MB wait to be written back.")
    advice = "End the program that keeps the database open for reading, and start the server anew."
    return warning("write-ahead log", f"{size / 1e6:.1f} MB were not written back for long.", advice)


def look_whole(case: Case) -> list[Finding]:
    """Whether SQLite finds the database whole, as far as it comes in some seconds."""
    path = case.folder / FILE
    if not there(path):
        return []
    ends = time.monotonic() + _PATIENCE
    try:
        with reading(path) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
            faults = [row[0] for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
    except sqlite3.OperationalError as error:
        return [unseen("integrity", f"Not seen to its end ({error}): `sora2api db check` takes its time.")]
    except sqlite3.DatabaseError as error:
        faults = [str(error)]
    if faults:
        return [wrong("integrity", f"{path} is damaged: {'; '.join(faults)}.", f"Stop the server, and {_BACKUP}")]
    return [well("integrity", f"{path} is whole.")]
