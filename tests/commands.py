"""Runs commands to their end, as people do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 90.0


def started(*command: str, cwd: Path = Path(), **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["env", "--default-signal=INT,HUP", sys.executable, "-m", "sora2api", *command],  # a shell's job ignores them
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ran(*command: str, cwd: Path = Path(), status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that has ended with that *status*; whatever went wrong, it showed no traceback."""
    process = started(*command, cwd=cwd, **environment)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, out + err
    assert "Traceback" not in err
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def told(*command: str, cwd: Path = Path(), status: int = 0, **environment: str) -> Any:
    """What a command says as JSON."""
    return json.loads(ran(*command, "--json", cwd=cwd, status=status, **environment).stdout)


def until(holds: Callable[[], Any]) -> Any:
    """Wait until something holds; what it is."""
    ends = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return found
