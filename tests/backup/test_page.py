"""The commands of docs/backup.md do what it says, one after another, as it prints them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "backup.md").read_text(encoding="utf-8")
OTHERS = """set -euo pipefail
sora2api() { "$PYTHON" -m sora2api "$@"; }
systemctl() { :; }
ssh() { shift; SORA2API_DATA_DIR=$PWD/moved "$@"; }
"""
"""What the page's commands find on a machine: ours, systemd's, and another machine."""


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "SORA2API_DATA_DIR": str(folder)}
    return subprocess.run(
        ["bash", "-c", OTHERS + script], cwd=folder.parent, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_commands_of_the_page_can_be_run_as_printed(folder):
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 6

    for block in blocks:
        done = shell(folder, block)
        assert done.returncode == 0, block + done.stderr

    there = folder.parent
    assert (there / "moved" / "secret.key").exists()
    assert list(folder.glob("before-restore-*"))
    assert "The database is whole." in done.stdout


def test_the_nightly_commands_write_a_file_of_the_day(folder):
    nightly = re.search(r"ExecStart=/bin/sh -c '(.*)'", PAGE)[1].replace("$$", "$").replace("%%", "%")
    cron = re.search(r"^30 3 \* \* \* (.*)$", PAGE, re.MULTILINE)[1].replace(r"\%", "%")
    there = {
        "exec /usr/local/lib/sora2api/bin/sora2api": "sora2api",
        "/var/lib/sora2api-backups": "backups",
        "/var/lib/sora2api": str(folder),
    }
    for command in (nightly, cron):
        backups = folder.parent / "backups"
        backups.mkdir()
        for said, meant in there.items():
            command = command.replace(said, meant)  # noqa: PLW2901 - step by step
        done = shell(folder, command)
        assert done.returncode == 0, done.stderr
        assert list(backups.glob("*day.tar"))
        shutil.rmtree(backups)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path):
    service, timer = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "sora2api-backup.service").write_text(
        service.replace("/usr/local/lib/sora2api/bin/", ""), encoding="utf-8"
    )
    (tmp_path / "sora2api-backup.timer").write_text(timer, encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.glob("*")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
