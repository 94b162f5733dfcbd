"""Bringing a database to the schema of this program, after a copy of it was made."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, event

from sora2api.errors import Sora2ApiError
from sora2api.migrations import HEAD, REVISIONS
from sora2api.store.database import FILE, Database, configure


class NewerDatabase(Sora2ApiError):
    """The database was made by a newer version of the program."""

    code = "newer_database"


def migrate(folder: Path) -> None:
    """Create or upgrade the database in *folder*. Safe beside others who do the same; blocking."""
    path = folder / FILE
    if current(path) == HEAD:
        return
    with _one_at_a_time(folder):
        if current(path) != HEAD:
            _brought_up(path)


def _brought_up(path: Path) -> None:
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", lambda dbapi, _record: configure(dbapi))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            _copy(path, current(path))
            _upgrade(connection)
    finally:
        engine.dispose()
    path.chmod(0o600)


def current(path: Path) -> str | None:
    """The revision of the database at *path*, None where there is none yet. A newer one raises `NewerDatabase`."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return revision_in(connection)


def revision_in(connection: sqlite3.Connection) -> str | None:
    """The same, of a database that is open."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        return None
    if row[0] not in REVISIONS:
        raise NewerDatabase(
            f"The database is at revision {row[0]}; this program knows up to {HEAD}: use the version that made it,"
            " a newer one, or a backup from before."
        )
    return str(row[0])


async def trouble(database: Database) -> str | None:
    """Whether another version of the program has changed the schema meanwhile, in one sentence; None: it has not."""
    async with database.reading() as connection:
        found = (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found == HEAD else f"The database is at revision {found}, this program at {HEAD}."


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for others who migrate: SQLite does not wait for them where a new database is set to WAL."""
    with (folder / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def copy_of(path: Path) -> Path:
    """Where the copy of the database at *path* lies that was made before it came to this program's schema."""
    return path.with_name(f"{path.name}.before-{HEAD}")


def _copy(path: Path, found: str | None) -> None:
    if found is None:
        return
    copy = copy_of(path)
    copy.touch()
    copy.chmod(0o600)  # before anything is in it
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "sora2api.migrations:")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
