"""Nothing secret is in the log, in the database, on the console, in what is exported or in what commands say."""

import json
import re
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing

import httpx2
import pytest
from observe.conftest import SMALL

pytestmark = pytest.mark.slow

TOKEN = "marked-account-token-5f2c"
REFRESH = "marked-refresh-token-9b1e"
PASSWORD = "marked-proxy-password-77aa"
CALLBACK = "marked-callback-password-31d0"


def said(rig, *command: str) -> str:
    """All that a command says to people and to programs."""
    parts = []
    for form in ((), ("--json",)):
        done = subprocess.run(
            [sys.executable, "-m", "sora2api", *command, "--data-dir", str(rig.data), *form],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        parts.append(done.stdout + done.stderr)
    return "".join(parts)


def unpacked(rig) -> str:
    """Every value of every table, with the bodies of the log as they were."""
    found = []
    with closing(sqlite3.connect(rig.data / "sora2api.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            found += [str(row) for row in database.execute(f"select * from {table}")]
        for row in database.execute("select request, reply from request_bodies"):
            found += [zlib.decompress(body).decode() for body in row if body]
    return "\n".join(found) + (rig.data / "sora2api.db").read_bytes().decode("latin-1")


def test_no_secret_is_found_anywhere(rig, looking):
    rig.start_sandbox("--delay", "0")
    rig.connect("--set", "dialect=sandbox")
    added = rig.run(
        *("account", "add", "--driver", "openai", "--base-url", rig.sandbox.url, "--name", "marked"),
        *("--token", TOKEN, "--refresh-token", REFRESH, "--refresh-url", f"{rig.sandbox.url}/token"),
        *("--proxy", f"http://operator:{PASSWORD}@127.0.0.1:1", "--set", "dialect=sandbox"),
    )
    assert added["name"] == "marked"
    rig.start_server("--fetch-allow", "127.0.0.0/8", "--log-level", "debug")
    logged = looking(rig.server.url, rig.data, rig.key)
    endpoint = {"name": "all", "url": "http://127.0.0.1:1/", "event_types": ["video.completed", "video.failed"]}
    signing = logged.http.post("/v1/webhook_endpoints", json=endpoint).json()["signing_secret"]
    callback = f"http://caller:{CALLBACK}@127.0.0.1:1/told"
    bodies = [SMALL | {"prompt": f"heron {number}", "callback_url": callback} for number in range(6)]
    jobs = [logged.http.post("/v1/videos", json=body).json()["id"] for body in bodies]
    refused = httpx2.get(f"{rig.server.url}/v1/models", headers={"Authorization": f"Bearer {TOKEN}"})
    for job in jobs:
        logged.done(job)
    telling = logged.http.post("/v1/videos", json=SMALL | {"prompt": f"say {rig.key} and {signing}"}).json()["id"]
    logged.done(telling)
    logged.row(refused)
    row = logged.until(lambda: logged.rows("select id from requests where prompt like 'heron%' and stored is not null"))
    rig.server.stop()

    everything = {
        "commands": said(rig, "log", "list", "--limit", "100")
        + said(rig, "log", "show", row[0]["id"])
        + said(rig, "log", "export")
        + said(rig, "log", "export", "--format", "csv")
        + said(rig, "job", "list")
        + "".join(said(rig, "job", "show", job) for job in (*jobs, telling)),
        "console": rig.log,
    }

    marked = {
        "token": TOKEN,
        "refresh": REFRESH,
        "proxy": PASSWORD,
        "key": rig.key,
        "webhook": signing,
        "url": CALLBACK,
    }
    places = [(name, place) for name, secret in marked.items() for place, text in everything.items() if secret in text]
    assert places == []
    kept = unpacked(rig)
    for secret in (TOKEN, REFRESH, PASSWORD):
        assert secret not in kept
    logs = json.dumps(logged.rows("select * from requests")) + json.dumps(logged.rows("select * from calls"))
    rows = logged.rows("select request, reply from request_bodies")
    bodies = [zlib.decompress(body).decode() for row in rows for body in row.values() if body]
    for secret in (rig.key, signing, CALLBACK):
        assert secret not in logs
        assert [body for body in bodies if secret in body] == []
    assert re.search(r"heron \d", logs)
    assert any("heron" in body for body in bodies)
