"""The database: writes that share a commit, migrations that give the tables, and secrets that only their key opens."""

import ast
import asyncio
import base64
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, insert, select
from sqlalchemy.exc import IntegrityError

import sora2api.migrations
from sora2api.migrations import HEAD, REVISIONS
from sora2api.store import secrets
from sora2api.store.database import FILE, Database, bump, revision
from sora2api.store.migrate import NewerDatabase, _copy, current, migrate
from sora2api.store.secrets import Secrets, WrongSecretKey
from sora2api.store.tables import metadata, models, steps
from sora2api.store.watch import RevisionWatch

VERSIONS = Path(sora2api.migrations.__file__).parent / "versions"


@pytest.fixture
def folder(tmp_path) -> Path:
    migrate(tmp_path)
    return tmp_path


@pytest.fixture
async def database(folder):
    database = Database(folder / FILE)
    yield database
    await database.close()


def added(name: str):
    """A write that adds a row called *name*."""
    return lambda connection: connection.execute(insert(models).values(name=name, entry=b"0"))


async def names(database: Database) -> set[str]:
    async with database.reading() as connection:
        return set((await connection.execute(select(models.c.name))).scalars())


# Writing.


async def test_writes_that_wait_together_share_a_commit(database):
    commits = []
    event.listen(database._writer.sync_engine, "commit", commits.append)

    await asyncio.gather(*(database.write(added(str(number))) for number in range(100)))

    assert len(await names(database)) == 100
    assert len(commits) <= 2


async def test_a_write_that_fails_fails_alone(database):
    await database.write(added("taken"))

    done = await asyncio.gather(
        *(database.write(added(name)) for name in ("first", "taken", "last")), return_exceptions=True
    )

    assert [type(outcome) is IntegrityError for outcome in done] == [False, True, False]
    assert await names(database) == {"taken", "first", "last"}


async def test_a_writer_gets_what_its_own_write_returns(database):
    async def numbered(connection, number):
        await bump(connection)
        return number

    done = await asyncio.gather(
        *(database.write(lambda connection, number=number: numbered(connection, number)) for number in range(20))
    )

    assert done == list(range(20))
    assert await revision(database) == 20


async def test_no_increment_is_lost_between_two_processes_databases(folder, database):
    other = Database(folder / FILE)

    await asyncio.gather(*(each.write(bump) for each in (database, other) for _ in range(100)))

    assert await revision(database) == 200
    await other.close()


async def test_a_caller_who_leaves_undoes_nothing(database):
    begun = asyncio.Event()

    async def slow(connection):
        begun.set()
        await added("kept")(connection)

    writing = asyncio.create_task(database.write(slow))
    await begun.wait()
    writing.cancel()
    await asyncio.wait((writing,))
    await database.write(added("after"))

    assert writing.cancelled()
    assert await names(database) == {"kept", "after"}


async def test_closing_commits_what_waits(folder):
    database = Database(folder / FILE)
    waiting = [asyncio.create_task(database.write(added(str(number)))) for number in range(10)]
    await asyncio.sleep(0)

    await database.close()

    await asyncio.gather(*waiting)
    with closing(sqlite3.connect(folder / FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM models").fetchone() == (10,)


async def test_readers_are_not_held_up_by_a_write_and_do_not_see_it_before_its_commit(database):
    written, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection):
        await added("soon")(connection)
        written.set()
        await go_on.wait()

    writing = asyncio.create_task(database.write(slow))
    await written.wait()
    assert await names(database) == set()

    go_on.set()
    await writing
    assert await names(database) == {"soon"}


async def test_a_commit_is_on_disk_before_it_is_told(database):
    async def pragmas(connection):
        return [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    full = 2
    assert await database.write(pragmas) == ["wal", full, 1, 30_000]


async def test_a_database_that_cannot_be_read_says_so(folder, database):
    assert await database.trouble() is None

    await database.write(lambda connection: connection.exec_driver_sql("DROP TABLE revision"))

    assert await database.trouble() == "The database cannot be read."


# Changes made beside a running server.


async def test_what_another_process_changed_is_loaded_again_once(folder, database):
    other, loads = Database(folder / FILE), []
    watch = RevisionWatch(database)

    async def load():
        loads.append(await names(database))

    async def change(connection):
        await added("new")(connection)
        await bump(connection)

    watch.register(load)
    await watch.look()
    await other.write(change)
    for _ in range(3):
        await watch.look()

    assert loads == [set(), {"new"}]
    await other.close()


# Migrations.


def test_the_migrations_give_the_tables(folder):
    engine = create_engine(f"sqlite:///{folder / FILE}")

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    engine.dispose()
    assert differences == []


def test_the_history_is_one_line_and_named_in_full():
    config = Config()
    config.set_main_option("script_location", "sora2api.migrations:")
    history = ScriptDirectory.from_config(config)

    assert history.get_heads() == [HEAD]
    assert tuple(script.revision for script in history.walk_revisions())[::-1] == REVISIONS


@pytest.mark.parametrize("file", sorted(VERSIONS.glob("0*.py")), ids=lambda file: file.stem)
def test_each_migration_says_what_it_is_for(file):
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


def test_migrating_again_changes_nothing(folder):
    before = (folder / FILE).read_bytes()
    names = {path.name for path in folder.iterdir()}

    migrate(folder)

    assert (folder / FILE).read_bytes() == before
    assert {path.name for path in folder.iterdir()} - names <= {f"{FILE}-wal", f"{FILE}-shm"}


def test_many_may_migrate_at_once(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(migrate, [tmp_path] * 8))

    assert current(tmp_path / FILE) == HEAD
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert connection.execute("SELECT id, number FROM revision").fetchall() == [(1, 0)]


def test_only_its_owner_reads_the_database(folder):
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


def test_a_newer_database_is_refused_and_left_alone(folder):
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = (folder / FILE).read_bytes()

    with pytest.raises(NewerDatabase, match="revision 9999; this program knows up to"):
        migrate(folder)

    assert (folder / FILE).read_bytes() == before


async def test_the_copy_made_before_a_migration_has_what_is_not_yet_in_the_main_file(folder, database):
    await database.write(added("fresh"))
    assert (folder / f"{FILE}-wal").stat().st_size > 0

    _copy(folder / FILE, "0000")

    with closing(sqlite3.connect(folder / f"{FILE}.before-{HEAD}")) as copy:
        assert copy.execute("SELECT name FROM models").fetchall() == [("fresh",)]


def test_a_first_start_makes_no_copy(folder):
    assert list(folder.glob("*.before-*")) == []


async def test_a_row_cannot_belong_to_one_that_is_not_there(database):
    orphan = insert(steps).values(job_id="none", name="a", result=b"0", created_at=0.0)

    with pytest.raises(IntegrityError):
        await database.write(lambda connection: connection.execute(orphan))


# Secrets.


def test_what_was_sealed_opens_again_after_a_restart(tmp_path):
    sealed = Secrets.open(tmp_path).seal("sk-日本-1")

    assert Secrets.open(tmp_path).unseal(sealed) == "sk-日本-1"


def test_sealing_twice_gives_two_texts_that_do_not_show_the_first(tmp_path):
    vault = Secrets.open(tmp_path)

    first, second = vault.seal("sk-token"), vault.seal("sk-token")

    assert first != second
    assert b"sk-token" not in first


def test_another_key_opens_nothing(tmp_path):
    sealed = Secrets.open(tmp_path).seal("sk-token")
    (tmp_path / secrets.FILE).write_bytes(base64.b64encode(bytes(32)))

    with pytest.raises(WrongSecretKey):
        Secrets.open(tmp_path).unseal(sealed)


def test_a_sealed_text_that_was_changed_does_not_open(tmp_path):
    vault = Secrets.open(tmp_path)
    sealed = bytearray(vault.seal("sk-token"))
    sealed[-1] ^= 1

    with pytest.raises(WrongSecretKey):
        vault.unseal(bytes(sealed))


def test_only_its_owner_reads_the_key(tmp_path):
    previous = os.umask(0)
    try:
        Secrets.open(tmp_path)
    finally:
        os.umask(previous)

    assert stat.S_IMODE((tmp_path / secrets.FILE).stat().st_mode) == 0o600


def test_a_key_of_the_environment_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv(secrets.VARIABLE, "any words will do")

    sealed = Secrets.open(tmp_path).seal("sk-token")

    assert Secrets.open(tmp_path).unseal(sealed) == "sk-token"
    assert list(tmp_path.iterdir()) == []


def test_keys_for_two_purposes_differ(tmp_path):
    vault = Secrets.open(tmp_path)

    assert len(vault.derived("links")) == 32
    assert vault.derived("links") != vault.derived("sessions")
    assert vault.derived("links") == Secrets.open(tmp_path).derived("links")
