"""Alerts of a real server reach a real receiver, signed, once each, across a kill too."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from running import Running
from webhooks.receivers import PATIENCE

from sora2api.store.database import FILE

KEY = "sk-sandbox"


def sora2api(folder: Path, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "sora2api", *arguments, "--data-dir", str(folder), "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def delivered(folder: Path) -> None:
    """Wait until what was received is noted, and so would not be sent again after a kill."""
    deadline = time.monotonic() + PATIENCE
    pending = 1
    while pending and time.monotonic() < deadline:
        with closing(sqlite3.connect(folder / FILE)) as database:
            query = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'"
            (pending,) = database.execute(query).fetchone()
        time.sleep(0.02)
    assert not pending


def test_an_account_and_a_disk_are_told_of_once_and_when_they_are_well_again(tmp_path, receiver):
    data, engine = tmp_path / "data", tmp_path / "engine"
    with Running("sandbox", engine) as sandbox:
        account = ("--driver", "openai", "--base-url", f"{sandbox.url}/v1", "--name", "box")
        sora2api(data, "account", "add", *account, "--token", "wrong")
        secret = sora2api(data, "secrets", "alerts")["signing_secret"]
        url = ("--alert-url", receiver.url)

        server = Running("serve", data, *url, "--disk-reserve", str(1 << 60))
        begun = [received.event(secret) for received in receiver.wait(2)]
        delivered(data)
        server.kill()
        rows = tmp_path / "accounts.json"
        right = {"driver": "openai", "base_url": f"{sandbox.url}/v1", "name": "box", "token": KEY}
        rows.write_text(json.dumps({"sora2api": 1, "accounts": [right]}))
        with Running("serve", data, *url):
            sora2api(data, "account", "import", str(rows), "--update")
            told = [received.event(secret) for received in receiver.wait(4)]

    assert {(event.type, event.data.subject, event.data.reason) for event in begun} == {
        ("account.set_aside", "box", "account_rejected"),
        ("disk.low", "data directory", "disk_full"),
    }
    assert sorted(event.type for event in told) == ["account.returned", "account.set_aside", "disk.low", "disk.ok"]
    assert len({received.id for received in receiver.received}) == len(receiver.received)
