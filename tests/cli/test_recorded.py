"""What is changed at the command line is on record in the audit, as what is changed in the panel is."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sora2api.cli import main
from sora2api.notify import Endpoints, Signer
from sora2api.store.database import FILE, Database
from sora2api.store.secrets import Secrets

TOKEN, PASSWORD = "sk-nobody-may-read-this", "swordfish"
PROXY = f"socks5://me:{PASSWORD}@127.0.0.1:9"
BOX = ("--name", "box", "--driver", "openai", "--base-url", "http://127.0.0.1:9/v1", "--token", TOKEN)


class Commands:
    """Runs commands on a data directory, and reads its audit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> Any:
        """What a command prints as JSON."""
        done = CliRunner().invoke(main, [*words, "--json", "--data-dir", str(self.folder)], catch_exceptions=False)
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else None

    def entries(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.folder / FILE)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute("SELECT * FROM audit ORDER BY created_at, id")]

    async def endpoint(self) -> str:
        """The id of a webhook endpoint, which only clients make."""
        database = Database(self.folder / FILE)
        endpoints = Endpoints(database, Signer(Secrets.open(self.folder)))
        url = "http://127.0.0.1:9/told"
        made, _ = await endpoints.create(owner="default", name="told", url=url, event_types=("video.completed",))
        await database.close()
        return made.id


@pytest.fixture
def commands(tmp_path) -> Commands:
    return Commands(tmp_path / "data")


def accounts(commands: Commands, tmp_path: Path) -> None:
    box = commands.run("account", "add", *BOX)["id"]
    commands.run("account", "change", "box", "--video-slots", "3")
    commands.run("account", "disable", "box")
    commands.run("account", "enable", "box")
    commands.run("account", "reveal", "box")
    commands.run("account", "remove", "box")
    commands.run("account", "restore", box)
    (tmp_path / "tokens").write_text("sk-nobody-may-read-this-either\n")
    where = ("--driver", "openai", "--base-url", "http://127.0.0.1:9/v1", "--name-prefix", "many")
    commands.run("account", "import", str(tmp_path / "tokens"), "--format", "lines", *where)
    commands.run("account", "export")


def keys(commands: Commands, _tmp_path: Path) -> None:
    key = commands.run("key", "create", "--name", "a client")["id"]
    commands.run("key", "change", key, "--name", "another client")
    commands.run("key", "rotate", key)
    commands.run("key", "revoke", key)


def proxies(commands: Commands, _tmp_path: Path) -> None:
    commands.run("proxy", "add", "exit", PROXY)
    commands.run("proxy", "change", "exit", "--name", "way out")
    commands.run("proxy", "disable", "way out")
    commands.run("proxy", "enable", "way out")
    commands.run("proxy", "assign", "way out")
    commands.run("proxy", "remove", "way out")


def users(commands: Commands, _tmp_path: Path) -> None:
    commands.run("user", "add", "ada", "--role", "administrator")  # of whom there is always one
    commands.run("user", "add", "vera", "--role", "viewer")
    commands.run("user", "change", "vera", "--role", "operator")
    for order in ("disable", "enable", "reset-password", "end-sessions", "remove"):
        commands.run("user", order, "vera")


def others(commands: Commands, _tmp_path: Path) -> None:
    commands.run("catalog", "set", "sora-2", "--description", "a heron")
    commands.run("catalog", "unset", "sora-2")
    commands.run("settings", "set", "alert_url", f"https://me:{PASSWORD}@127.0.0.1/alerts")
    commands.run("settings", "unset", "alert_url")
    commands.run("job", "pause")
    commands.run("job", "resume")
    commands.run("job", "cancel", "--status", "queued")
    key = commands.run("panel-key", "create", "--name", "a program", "--role", "viewer")["id"]
    commands.run("panel-key", "revoke", key)
    commands.run("secrets", "alerts")
    commands.run("secrets", "rotate")


def webhooks(commands: Commands, _tmp_path: Path) -> None:
    commands.run("webhook", "list")
    endpoint = asyncio.run(commands.endpoint())
    for order in ("disable", "enable", "remove"):
        commands.run("webhook", order, endpoint)


CHANGES = {
    accounts: "add change disable enable reveal remove restore import export",
    keys: "create change rotate revoke",
    proxies: "add change disable enable spread remove",
    users: "add add change disable enable reset_password end_sessions remove",
    webhooks: "disable enable remove",
}
OTHERS = (
    *("models.set", "models.unset", "settings.set", "settings.unset", "intake.pause", "intake.resume"),
    *("jobs.cancel_all", "panel_keys.create", "panel_keys.revoke", "secrets.alerts", "secrets.rotate"),
)


@pytest.mark.parametrize(
    ("change", "operations"),
    [
        *((change, tuple(f"{change.__name__}.{word}" for word in words.split())) for change, words in CHANGES.items()),
        (others, OTHERS),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_each_change_is_on_record_without_a_secret(commands, tmp_path, change, operations):
    change(commands, tmp_path)
    entries = commands.entries()

    assert tuple(entry["operation"] for entry in entries) == operations
    assert {(entry["address"], entry["outcome"]) for entry in entries} == {("command line", "done")}
    assert all(entry["user"] and entry["subject"] for entry in entries)
    kept = "".join(str(value) for entry in entries for value in entry.values())
    assert TOKEN not in kept
    assert PASSWORD not in kept


def test_what_was_before_and_after_is_on_record(commands):
    commands.run("settings", "set", "tries", "9")

    (entry,) = commands.entries()
    assert (entry["subject"], entry["before"], entry["after"]) == ("tries", b"6", b"9")


def test_a_change_that_failed_is_on_record_as_that(commands):
    commands.run("key", "revoke", "key_nothing")

    (entry,) = commands.entries()
    assert (entry["operation"], entry["subject"], entry["outcome"]) == ("keys.revoke", "", "NotFound")
