"""Makes the database that is kept of a revision: `python tests/upgrade/make.py [TREE]`.

A server and its engine are run, used as their clients and operator use them, and stopped with a video in the making and
one waiting. What they have left is kept beside this script as REVISION.tar.xz: `sora2api.db` and a video, the engine's
`sandbox.db`, and `facts.json`, with what a test has to know. The program is the one that is installed, or that of TREE,
a folder with an older wheel's `sora2api` (`pip install --no-deps --target TREE sora2api-….whl`).
"""

import base64
import json
import os
import sqlite3
import sys
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from commands import until
from rig import Rig

HERE: Final = Path(__file__).parent

SECRET_KEY: Final = "the secret key of every kept database"


def facts(rig: Rig) -> dict[str, Any]:
    """Use the server, and stop it; what a test has to know of what was made."""
    rig.start_sandbox("--delay", "0")
    rig.connect(name="kept", video_slots=1)
    rig.start_server("--fetch-allow", "127.0.0.0/8")
    hook = {"name": "kept", "url": "http://127.0.0.1:9/hook", "event_types": ["video.completed"]}
    rig.http.post("/v1/webhook_endpoints", json=hook).raise_for_status()
    video = _made(rig, "a kept video", headers={"Idempotency-Key": "kept"})
    content = rig.get(f"/v1/videos/{video}/content").content
    url = f"data:video/mp4;base64,{base64.b64encode(content).decode()}"
    _made(rig, [{"type": "video_url", "video_url": {"url": url}}])
    image = _made(rig, "a kept image", model="sora-image")
    storyboard = _made(rig, "[1.0s]a cat jumps [1.0s]a cat lands")
    rig.misbehave(method="POST", path="/v1/videos", status=400, body={"error": {"message": "No.", "type": "x"}})
    failed = _made(rig, "a video that is refused", status="failed")
    file = rig.http.post("/v1/files", files={"file": ("kept.mp4", content)}, data={"purpose": "user_data"}).json()
    key = rig.run("key", "create", "--name", "second")
    _use_newer_commands(rig)
    rig.sandbox.stop()
    rig.start_sandbox("--delay", "30")
    begun = rig.ask("a video that is begun")
    until(lambda: rig.rows(f"SELECT 1 FROM tasks WHERE job_id = '{begun}' AND submitted_at IS NOT NULL"))
    waiting = rig.ask("a waiting video")
    rig.server.stop()
    rig.sandbox.stop()
    return {
        "made_at": time.time(),
        "key": rig.key,
        "second_key": key["key"],
        "video": video,
        "image": image,
        "storyboard": storyboard,
        "failed": failed,
        "begun": begun,
        "waiting": waiting,
        "file": file["id"],
    }


def _made(
    rig: Rig, content: Any, *, headers: dict[str, str] | None = None, status: str = "completed", **fields: Any
) -> str:
    """Ask, and wait for the end; the job's id."""
    body = {"model": "sora-video", "stream": True, "size": "160x96", "seconds": 1} | fields
    body["messages"] = [{"role": "user", "content": content}]
    with rig.http.stream("POST", "/v1/chat/completions", json=body, headers=headers, timeout=60) as reply:
        chunks = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {")]
    job = next(chunk["sora2api"]["job"] for chunk in chunks if "sora2api" in chunk)
    assert rig.rows(f"SELECT status FROM jobs WHERE id = '{job}'") == [(status,)], chunks
    return job


def _use_newer_commands(rig: Rig) -> None:
    """What came with later revisions, where this program has it."""
    from sora2api.cli import COMMANDS

    if "proxy" in COMMANDS:
        rig.run("proxy", "add", "spare", "http://user:pass@127.0.0.1:9")
    if "settings" in COMMANDS:
        rig.run("settings", "set", "queue_limit", "77")


def keep(folder: Path, known: dict[str, Any]) -> Path:
    """Pack what a rig has left in *folder*; of the media only one video, to stay small."""
    database = _small(folder / "data" / "sora2api.db")
    with closing(sqlite3.connect(database)) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        query = "SELECT sha256 FROM assets WHERE job_id = ? AND role = 'output'"
        (digest,) = connection.execute(query, (known["video"],)).fetchone()
    kept = f"media/{digest[:2]}/{digest}"
    told = folder / "facts.json"
    told.write_text(json.dumps(known, indent=1), encoding="utf-8")
    archive = HERE / f"{revision}.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(database, "data/sora2api.db")
        tar.add(folder / "data" / kept, f"data/{kept}")
        tar.add(_small(folder / "engine" / "sandbox" / "sandbox.db"), "engine/sandbox/sandbox.db")
        tar.add(told, told.name)
    return archive


def _small(database: Path) -> Path:
    """The same without free pages, and without a log beside it."""
    small = database.with_suffix(".small")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(small),))
    return small


def main(tree: str | None = None) -> None:
    os.environ["SORA2API_SECRET_KEY"] = SECRET_KEY
    if tree is not None:
        os.environ["PYTHONPATH"] = tree
        sys.path.insert(0, tree)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # a checkout's own package would go before TREE's
        rig = Rig(Path(folder))
        try:
            known = facts(rig)
        finally:
            rig.close()
        sys.stdout.write(f"{keep(rig.folder, known)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
