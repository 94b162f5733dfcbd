"""`sora2api plugin list`, as an operator runs it."""

import json
import subprocess
import sys
from pathlib import Path


def listed(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sora2api", "plugin", "list", "--data-dir", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_plugins_are_listed_with_what_became_of_them(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "broken.py").write_text("raise RuntimeError('out of order')")
    (tmp_path / "sora2api.toml").write_text('disabled_plugins = ["remix"]')

    plugins = {plugin["name"]: plugin for plugin in json.loads(listed(tmp_path, "--json"))}

    assert plugins["video"]["status"] == "ready"
    assert plugins["remix"]["status"] == "set_aside"
    assert "out of order" in plugins["broken"]["reason"]
    assert set(plugins["video"]) == {"group", "name", "distribution", "version", "status", "reason"}
    assert "out of order" in " ".join(listed(tmp_path).split())
