"""docs/quick-start.md: what it has typed after the installation."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages.shown import blocks
from running import Running

pytestmark = pytest.mark.slow

AFTER = re.compile(r"^\.venv/bin/sora2api (?!serve)")


def test_the_first_steps_work_as_printed(tmp_path):
    """In a folder whose .venv has the program; what another test installs is not installed again."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    steps = [block for block in blocks("quick-start.md", "bash") if AFTER.match(block)]
    with (
        Running("serve", tmp_path / "data", "--sandbox-delay", "0") as server,
        Running("sandbox", tmp_path / "engine", "--key", "sk-your-token") as engine,
    ):
        script = "\n".join(steps).replace("http://10.0.0.5:8091", engine.url)
        here = {"SORA2API_SERVER": f"{server.url}/v1", "SORA2API_DATA_DIR": str(tmp_path / "data")}
        said = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env=os.environ | here, check=True, capture_output=True, text=True
        ).stdout

    assert len(steps) == 3
    assert (tmp_path / "ride.mp4").read_bytes()[4:8] == b"ftyp"
    assert "panel login admin / " in said
    assert (tmp_path / "data" / "first-login.txt").exists()
