"""What each revision's program has left is found again by this one: all rows, sealed tokens, files, unfinished work."""

import fcntl
import io
import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner
from sqlalchemy import create_engine

from sora2api.cli import main
from sora2api.migrations import HEAD, REVISIONS
from sora2api.store.database import FILE
from sora2api.store.migrate import current, migrate
from sora2api.store.secrets import VARIABLE, Secrets, WrongSecretKey

HERE = Path(__file__).parent
MAKE_IT = "run tests/upgrade/make.py: each revision has its kept database, made anew while it is unreleased and changes"


def schema(database: Path) -> set[tuple[str, str]]:
    """Tables with their columns, and the words of all indexes."""
    with closing(sqlite3.connect(database)) as connection:
        tables = "SELECT t.name, c.name || ' ' || c.type FROM sqlite_master AS t, pragma_table_info(t.name) AS c"
        indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        return {*connection.execute(f"{tables} WHERE t.type = 'table'"), *connection.execute(indexes)}


def made_by_migrations(revision: str, database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}")
    config = Config()
    config.set_main_option("script_location", "sora2api.migrations:")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def seconds_of(content: bytes) -> float:
    """How long a video is, as decoded."""
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        return float(sum(1 for _ in container.decode(stream)) / stream.average_rate)


def ran(folder: Path, *words: str) -> Any:
    """What a command says as JSON."""
    done = CliRunner().invoke(main, [*words, "--data-dir", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_each_revision_has_its_kept_database():
    assert {path.name for path in HERE.glob("*.tar.xz")} == {f"{each}.tar.xz" for each in REVISIONS}, MAKE_IT


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_migration_stays_as_it_was_when_databases_were_made_by_it(left, revision, tmp_path):
    database = left(revision).data / FILE

    made_by_migrations(revision, tmp_path / "made.db")

    assert current(database) == revision
    assert schema(database) == schema(tmp_path / "made.db"), MAKE_IT


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgrade_loses_no_row_and_keeps_the_database_as_it_was(left, revision):
    old = left(revision)
    before = old.rows()

    migrate(old.data)

    after = old.rows()
    assert current(old.data / FILE) == HEAD
    for table, rows in before.items():
        assert [row | {name: after[table][n][name] for name in row} for n, row in enumerate(rows)] == rows, table
        assert len(after[table]) == len(rows)
    copy = old.data / f"{FILE}.before-{HEAD}"
    assert copy.exists() == (revision != HEAD)
    assert revision == HEAD or current(copy) == revision
    assert revision == HEAD or stat.S_IMODE(copy.stat().st_mode) == 0o600


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_backup_of_an_older_database_stays_as_it_is_until_it_is_upgraded(left, revision, tmp_path):
    old, file, target = left(revision), tmp_path / "backup.tar", tmp_path / "restored"
    before = old.rows()

    ran(old.data, "backup", str(file))
    assert old.rows() == before
    assert ran(target, "restore", str(file))["key"] == "fits"
    assert ran(target, "db", "current")["revision"] == revision
    done = ran(target, "db", "upgrade")

    assert done == {"from": revision, "to": HEAD, "copy": f"{target / FILE}.before-{HEAD}"}
    assert ran(target, "db", "current")["revision"] == HEAD
    assert ran(target, "db", "check") == {"faults": []}


@pytest.mark.parametrize("revision", REVISIONS)
def test_sealed_tokens_open_after_an_upgrade_with_their_key_alone(left, revision, monkeypatch):
    old = left(revision)
    migrate(old.data)
    (account,) = old.rows()["accounts"]

    assert Secrets.open(old.data).unseal(account["token"]) == "sk-sandbox"
    monkeypatch.setenv(VARIABLE, "another key")
    with pytest.raises(WrongSecretKey):
        Secrets.open(old.data)


@pytest.mark.parametrize(
    "revision", [REVISIONS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in REVISIONS[1:])]
)
def test_a_server_goes_on_where_the_older_one_was_stopped(left, revision, rig):
    old = left(revision)
    facts, rig.key = old.facts, old.facts["key"]
    rig.start_sandbox("--delay", "0")
    old.change(f"UPDATE accounts SET base_url = '{rig.sandbox.url}/v1'")
    made = rig.creates()

    rig.start_server("--fetch-allow", "127.0.0.0/8", "--poll-interval", "0.5")

    for job in (facts["begun"], facts["waiting"], facts["video"]):
        assert rig.ended(job)["status"] == "completed"
        assert abs(seconds_of(rig.get(f"/v1/videos/{job}/content").content) - 1) < 0.2
    assert rig.creates() == made + 1  # the one that waited
    assert rig.get(f"/v1/videos/{facts['failed']}").json()["error"]["code"] == "rejected_by_engine"
    assert [hook["name"] for hook in rig.get("/v1/webhook_endpoints").json()["data"]] == ["kept"]
    assert [file["id"] for file in rig.get("/v1/files").json()["data"]] == [facts["file"]]
    rig.key = facts["second_key"]
    assert rig.http.get("/v1/videos", headers=rig.headers).status_code == 200


def test_a_second_server_upgrades_nothing_below_the_first(left):
    older = left(REVISIONS[0])
    with (older.data / "serve.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a server of that version does
        refused = CliRunner().invoke(main, ["serve", "--data-dir", str(older.data), "--port", "0"])

    assert refused.exit_code == 1
    assert "Another server runs on" in refused.output
    assert current(older.data / FILE) == REVISIONS[0]
