"""Opening the database so that nothing in its folder is made or changed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sora2api.doctor.finding import Unseen

_PATIENCE: Final = 5.0


class Unopened(Unseen):
    """The database cannot be opened."""

    code = "unopened"


def address(path: Path) -> str:
    """The URI of the database at *path*, to be read only.

    Where no log lies beside it nobody has it open, and SQLite is told that it does not change: otherwise it would make
    the log's files, even to read.
    """
    logged = all(path.with_name(path.name + end).exists() for end in ("-wal", "-shm"))
    return f"file:{quote(str(path))}?mode=ro{'' if logged else '&immutable=1'}"


def there(path: Path) -> bool:
    """Whether there is a database at *path* yet. Raises `Unopened` where its folder is closed to us."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unopened(f"{path.parent} cannot be opened: {error.strerror}.") from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at *path*. Raises `Unopened`."""
    try:
        connection = sqlite3.connect(address(path), uri=True, timeout=_PATIENCE)
    except (sqlite3.Error, OSError) as error:
        raise Unopened(f"{path} cannot be opened: {error}.") from error
    with closing(connection):
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            raise Unopened(f"{path} cannot be read: {error}.") from error
        yield connection
