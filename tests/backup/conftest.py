"""A data directory that a real server has left: a video, an image, a sealed token, settings and a plugin."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rig import Rig

from sora2api.cli import main
from sora2api.store.database import FILE


@pytest.fixture(scope="session")
def used(tmp_path_factory) -> Path:
    rig = Rig(tmp_path_factory.mktemp("backup"))
    try:
        rig.start_sandbox("--delay", "0")
        rig.connect()
        rig.start_server()
        jobs = [rig.ask("a cat"), rig.ask("a dog", model="sora-image")]
        assert [rig.ended(job)["status"] for job in jobs] == ["completed"] * 2
        rig.server.stop()
    finally:
        rig.close()
    (rig.data / "sora2api.toml").write_text("queue_limit = 7\n", encoding="utf-8")
    plugin = rig.data / "plugins" / "mine" / "mode.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("'''A mode of one's own.'''\n", encoding="utf-8")
    plugin.chmod(0o640)
    return rig.data


@pytest.fixture
def folder(used, tmp_path) -> Path:
    """One's own copy of it."""
    return Path(shutil.copytree(used, tmp_path / "data"))


@pytest.fixture
def file(tmp_path) -> Path:
    """Where a backup goes."""
    return tmp_path / "backup.tar"


@pytest.fixture
def target(tmp_path) -> Path:
    """Where it is restored."""
    return tmp_path / "restored"


@pytest.fixture
def run() -> Iterator[Callable[..., Result]]:
    """Runs a command on a data directory."""

    def run(folder: Path, *words: str | Path, status: int = 0) -> Result:
        done = CliRunner().invoke(main, [*map(str, words), "--data-dir", str(folder)])
        assert done.exit_code == status, done.output
        return done

    return run


@pytest.fixture
def told(run) -> Callable[..., Any]:
    """What a command says as JSON."""
    return lambda folder, *words, status=0: json.loads(run(folder, *words, "--json", status=status).stdout)


def rows(database: Path) -> list[str]:
    """The whole database, as SQL."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def picture(folder: Path) -> dict[str, tuple[int, str]]:
    """All files in *folder*, with their modes and sums, but for locks and what SQLite lays beside its file."""
    if not folder.exists():
        return {}
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and path.name not in {f"{FILE}-shm", f"{FILE}-wal"}
    }
