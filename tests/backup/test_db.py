"""`sora2api db`: what it tells of a database is so, and what it does is done."""

import sqlite3
from contextlib import closing

import pytest

from sora2api.cli.serve import locked
from sora2api.migrations import HEAD
from sora2api.store.database import FILE


def change(folder, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def fill_and_empty(folder) -> None:
    """Leave a megabyte of free pages."""
    change(
        folder,
        "CREATE TABLE bulk AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        " SELECT zeroblob(1000) FROM n",
        "DROP TABLE bulk",
    )


def test_current_tells_revision_size_and_free_pages(told, folder):
    before = told(folder, "db", "current")
    fill_and_empty(folder)

    after = told(folder, "db", "current")

    assert (after["revision"], after["program"]) == (HEAD, HEAD)
    assert after["free_pages"] > 200
    assert after["bytes"] - before["bytes"] > 800_000
    assert after["bytes"] == after["pages"] * 4096


def test_vacuum_gives_free_pages_back_while_no_server_runs(told, run, folder):
    fill_and_empty(folder)
    with locked(folder):
        assert "A server runs" in run(folder, "db", "vacuum", status=1).output

    said = told(folder, "db", "vacuum")

    assert said["bytes_before"] - said["bytes"] > 800_000
    assert (folder / FILE).stat().st_size == said["bytes"]
    assert told(folder, "db", "current")["free_pages"] == 0


def test_check_finds_a_whole_database_whole_while_a_server_runs(told, folder):
    with locked(folder):
        assert told(folder, "db", "check") == {"faults": []}


def test_check_finds_a_row_without_its_parent(told, run, folder):
    change(folder, "PRAGMA foreign_keys = OFF", "UPDATE events SET job_id = 'nobody' WHERE rowid = 1")

    (first, *_) = told(folder, "db", "check", status=1)["faults"]

    assert "of events belongs to a row of jobs that is not there" in first
    assert "The database is damaged" in run(folder, "db", "check", status=1).output


def test_check_finds_a_damaged_page(told, folder):
    change(folder, "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(folder / FILE)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()
    content = bytearray((folder / FILE).read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    (folder / FILE).write_bytes(content)

    assert told(folder, "db", "check", status=1)["faults"]


def test_upgrade_has_nothing_to_do_at_the_newest_revision(told, folder):
    assert told(folder, "db", "upgrade") == {"from": HEAD, "to": HEAD, "copy": None}


@pytest.mark.parametrize("words", [("current",), ("upgrade",), ("vacuum",), ("check",)])
def test_where_no_database_is_that_is_said(run, tmp_path, words):
    assert "There is no database" in run(tmp_path, "db", *words, status=1).output
    assert list(tmp_path.iterdir()) == []
