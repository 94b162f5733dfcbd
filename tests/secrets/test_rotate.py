"""`sora2api secrets rotate` as an operator runs it: killed at each point, and with a server started afterwards."""

import base64
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from running import Running

from sora2api.accounts import AccountBook
from sora2api.store import key_file, tables
from sora2api.store.database import FILE as DATABASE
from sora2api.store.database import Database
from sora2api.store.secrets import Secrets, WrongSecretKey

pytestmark = pytest.mark.slow

TOKEN = "sk-rotated-token"
PROXY = "http://ann:sesame@127.0.0.1:9"


def sora2api(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sora2api", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


def rotate(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return sora2api("secrets", "rotate", "--data-dir", str(folder), "--json", *options, **environment)


class Kept(NamedTuple):
    """A data directory with something sealed in it, and an API key of its server."""

    folder: Path
    key: str


@pytest.fixture(scope="session")
def filled(tmp_path_factory) -> Kept:
    """A data directory in which everything that can be sealed is."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    added = sora2api(
        *("account", "add", "--driver", "openai", "--base-url", "http://127.0.0.1:9/v1", "--name", "one"),
        *("--token", TOKEN, "--proxy", PROXY, "--data-dir", str(folder), "--json"),
    )
    key = json.loads(added.stdout)["issued"]["key"]
    vault = Secrets.open(folder)
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.execute("UPDATE accounts SET refresh_token = ?", (vault.seal("refresh"),))
        database.execute(
            "INSERT INTO proxies (id, name, url, enabled, created_at) VALUES ('p', 'p', ?, 1, 0)", (vault.seal(PROXY),)
        )
        database.execute(
            "INSERT INTO webhook_endpoints (id, owner, name, url, event_types, secret, old_secret, hint, created_at,"
            " updated_at) VALUES ('w', 'o', 'n', 'http://127.0.0.1:9/', '[]', ?, ?, '', 0, 0)",
            (vault.seal("whsec_new"), vault.seal("whsec_old")),
        )
        database.execute(
            "INSERT INTO users (id, name, password, must_change, created_at, totp) VALUES ('u', 'u', '', 0, 0, ?)",
            (vault.seal("JBSWY3DPEHPK3PXP"),),
        )
        database.execute(
            "INSERT INTO settings (name, value, sealed) VALUES ('default_proxy', 'null', ?)",
            (vault.seal(json.dumps(PROXY)),),
        )
    return Kept(folder, key)


@pytest.fixture
def kept(filled, tmp_path) -> Kept:
    """A copy of that directory, to be changed."""
    return Kept(Path(shutil.copytree(filled.folder, tmp_path / "data")), filled.key)


SEALED = {
    "accounts.token": TOKEN,
    "accounts.proxy": PROXY,
    "accounts.refresh_token": "refresh",
    "proxies.url": PROXY,
    "webhook_endpoints.secret": "whsec_new",
    "webhook_endpoints.old_secret": "whsec_old",
    "users.totp": "JBSWY3DPEHPK3PXP",
    "settings.sealed": json.dumps(PROXY),
}


def opened(folder: Path, vault: Secrets) -> dict[str, str]:
    """What *vault* opens of the sealed columns; it opens all or raises."""
    found = {}
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        for column in SEALED:
            table, name = column.split(".")
            (value,) = database.execute(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL").fetchone()
            found[column] = vault.unseal(value)
    return found


def opens(folder: Path) -> bool:
    """Whether a start would open the data."""
    try:
        return opened(folder, Secrets.open(folder)) == SEALED
    except WrongSecretKey:
        return False


def file_vault(written: bytes) -> Secrets:
    return Secrets(base64.b64decode(written))


async def token_of(folder: Path) -> str | None:
    database = Database(folder / DATABASE)
    try:
        book = AccountBook(database, Secrets.open(folder))
        await book.load()
        return book.named("one").token
    finally:
        await database.close()


def test_no_column_is_sealed_that_these_tests_do_not_know():
    marked = {
        f"{table.name}.{column.name}"
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if column.info.get("sealed")
    }

    assert marked == {*SEALED, "secrets.value"}


def test_everything_is_sealed_anew_and_nothing_opens_with_the_old_key(kept):
    before = (kept.folder / key_file.FILE).read_bytes()

    done = rotate(kept.folder)

    assert (done.returncode, json.loads(done.stdout)) == (0, {"sealed": len(SEALED) + 1})
    assert (kept.folder / key_file.FILE).read_bytes() != before
    assert not (kept.folder / key_file.NEXT).exists()
    assert stat.S_IMODE((kept.folder / key_file.FILE).stat().st_mode) == 0o600
    assert opened(kept.folder, Secrets.open(kept.folder)) == SEALED
    with pytest.raises(WrongSecretKey):
        opened(kept.folder, file_vault(before))


def test_links_go_on_to_hold_unless_they_shall_not(kept):
    before = Secrets.open(kept.folder).derived("links")

    rotate(kept.folder)
    after = Secrets.open(kept.folder).derived("links")
    rotate(kept.folder, "--signatures")

    assert after == before
    assert Secrets.open(kept.folder).derived("links") != before


@pytest.mark.parametrize("point", ["key", "reseal", "resealed", "replaced"])
async def test_killed_at_any_point_a_start_opens_everything(kept, point):
    assert rotate(kept.folder, SORA2API_FAULT=point).returncode == -9

    assert opened(kept.folder, Secrets.open(kept.folder)) == SEALED
    with Running("serve", kept.folder) as server:
        reply = httpx2.get(f"{server.url}/v1/videos", headers={"Authorization": f"Bearer {kept.key}"}, timeout=30)
        assert reply.status_code == 200
    assert rotate(kept.folder).returncode == 0
    assert await token_of(kept.folder) == TOKEN
    assert not (kept.folder / key_file.NEXT).exists()


@pytest.mark.parametrize("point", ["key", "reseal", "resealed", "replaced"])
def test_killed_on_the_way_into_the_environment_one_of_the_two_keys_opens_everything(kept, point, monkeypatch):
    assert rotate(kept.folder, SORA2API_FAULT=point, SORA2API_SECRET_KEY="new").returncode == -9

    done = point in ("resealed", "replaced")
    assert opens(kept.folder) is not done
    monkeypatch.setenv("SORA2API_SECRET_KEY", "new")
    assert opens(kept.folder) is done
    again = rotate(kept.folder, **({"SORA2API_OLD_SECRET_KEY": "any"} if done else {}))
    assert again.returncode == 0, again.stderr
    assert opened(kept.folder, Secrets.open(kept.folder)) == SEALED
    assert not (kept.folder / key_file.FILE).exists()


def test_a_key_of_the_environment_is_changed_for_another_and_for_a_file(kept, monkeypatch):
    rotate(kept.folder, SORA2API_SECRET_KEY="first")
    changed = rotate(kept.folder, SORA2API_SECRET_KEY="second", SORA2API_OLD_SECRET_KEY="first")
    monkeypatch.setenv("SORA2API_SECRET_KEY", "second")
    in_variable = opened(kept.folder, Secrets.open(kept.folder))
    monkeypatch.delenv("SORA2API_SECRET_KEY")
    to_file = rotate(kept.folder, SORA2API_OLD_SECRET_KEY="second")

    assert (changed.returncode, to_file.returncode) == (0, 0)
    assert in_variable == opened(kept.folder, Secrets.open(kept.folder)) == SEALED


def test_it_is_refused_while_a_server_runs(kept):
    with Running("serve", kept.folder):
        refused = rotate(kept.folder)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"error: A server runs on {kept.folder}: stop it, rotate, and start it again.\n"
    assert opened(kept.folder, Secrets.open(kept.folder)) == SEALED


def test_it_is_refused_while_another_command_has_the_secrets_open(kept):
    vault = Secrets.open(kept.folder)

    refused = rotate(kept.folder)

    assert refused.returncode == 1
    assert refused.stderr.startswith("error: Another command works on")
    assert opened(kept.folder, vault) == SEALED


def test_without_the_old_key_nothing_is_changed(kept):
    rotate(kept.folder, SORA2API_SECRET_KEY="first")

    wrong = rotate(kept.folder, SORA2API_SECRET_KEY="second", SORA2API_OLD_SECRET_KEY="guessed")
    missing = rotate(kept.folder, SORA2API_SECRET_KEY="first")

    assert (wrong.returncode, missing.returncode) == (1, 1)
    assert "was not sealed with the key of SORA2API_OLD_SECRET_KEY" in wrong.stderr
    assert "set SORA2API_SECRET_KEY to the new one and SORA2API_OLD_SECRET_KEY to this one" in missing.stderr
    assert sora2api("account", "list", "--data-dir", str(kept.folder), SORA2API_SECRET_KEY="first").returncode == 0
