"""The server does its work behind the walls that its unit builds: workers, the sandbox's child, PyAV, other servers."""

import json
import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import httpx2
import pytest
from running import Running

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "sora2api.service"


def walls():
    """What cannot be built here."""
    if os.geteuid() != 0:
        return "It takes root."
    if find_library("seccomp") is None or shutil.which("systemd-analyze") is None:
        return "libseccomp and systemd are not installed."
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "Nothing may be mounted here."
    return None


@pytest.mark.skipif(walls() is not None, reason=walls() or "")
def test_a_server_behind_the_units_walls_makes_a_storyboard_and_calls_an_engine(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    program = (sys.executable, str(ROOT / "tests" / "walls.py"), str(UNIT), str(data), sys.executable, "-m", "sora2api")
    with Running("serve", data, "--sandbox-delay", "0", program=program) as server:
        reply = httpx2.post(
            f"{server.url}/v1/chat/completions",
            headers={"Authorization": "Bearer han1234"},
            json={"model": "sora-video", "size": "160x96", "messages": [{"role": "user", "content": SHOTS}]},
            timeout=150,
        )
        assert reply.status_code == 200, reply.text
        metrics = httpx2.get(f"{server.url}/metrics").text
        status = server.status()
        assert server.stop() == 0

    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", "2", 0)
    assert "process_resident_memory_bytes " in metrics
    assert json.loads(reply.text)["choices"][0]["finish_reason"] == "stop"


SHOTS = "[1.0s]Balloons rise [1.0s]They cross the hills"
