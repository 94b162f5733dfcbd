"""The single file, run as somebody would who has Python and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from running import Running

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.mark.timeout(900)
def test_the_single_file_serves_and_makes_a_video_where_nothing_is_installed(tmp_path):
    file = tmp_path / "sora2api.pyz"
    subprocess.run([sys.executable, "-m", "tools.zipapp", file], cwd=ROOT, check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bare = Path(os.path.realpath(sys.executable))  # not this environment's, which has everything

    with Running(
        "serve",
        tmp_path / "data",
        "--sandbox-delay",
        "0",
        program=(str(bare), "-I", str(file)),
        cwd=elsewhere,
        environment={"HOME": str(tmp_path / "home"), "PEX_ROOT": str(tmp_path / "unpacked"), "PYTHONPATH": ""},
    ) as running:
        client = httpx2.Client(
            base_url=running.url, headers={"Authorization": "Bearer han1234"}, timeout=60, trust_env=False
        )
        with client:
            video = client.post(
                "/v1/videos",
                json={"model": "sora-2", "prompt": "a heron", "seconds": "4"},
                headers={"Prefer": "wait=60"},
            ).json()
            assert video["status"] == "completed"
            content = client.get(f"/v1/videos/{video['id']}/content").content
            panel = client.get("/admin/", follow_redirects=True)

    unpacked = {"HOME": str(tmp_path / "home"), "PEX_ROOT": str(tmp_path / "unpacked")}
    command = [bare, "-I", file, "install-service", "--print"]
    unit = subprocess.run(command, env=os.environ | unpacked, capture_output=True, text=True, check=True).stdout

    assert f"\nExecStart={bare} {file} serve --data-dir /var/lib/sora2api\n" in unit
    assert "\nCacheDirectory=sora2api\nEnvironment=PEX_ROOT=%C/sora2api\n" in unit
    assert b"ftyp" in content[:16]
    assert panel.status_code == 200
