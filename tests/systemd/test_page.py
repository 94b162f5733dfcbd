"""The page on systemd shows drop-ins that systemd takes."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import told

PAGES = Path(__file__).parents[2] / "docs"
DROP_INS = re.findall(
    r"^```ini\n(.*?)^```$", (PAGES / "systemd.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed.")
def test_systemd_takes_every_drop_in_of_the_page(tmp_path):
    for name, text in told("install-service", "--print", "--socket").items():
        (tmp_path / name).write_text(text)
    for number, text in enumerate(DROP_INS):
        folder = tmp_path / ("sora2api.socket.d" if text.startswith("[Socket]") else "sora2api.service.d")
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.conf").write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "sora2api.service", "sora2api.socket"],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(DROP_INS) == 4
    assert (done.returncode, done.stderr) == (0, "")
