"""What tests of several folders share."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sora2api.settings import PREFIX

OUTSIDE = Path(__file__).parent / "outside"

# What the developer has set for a server of their own is nothing to the tests, nor to the processes that they start.
for name in [name for name in os.environ if name.startswith(PREFIX)]:
    del os.environ[name]

# A shell has what it runs in the background ignore SIGINT; the processes of tests are ended by it all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: a third of the time of tests is waiting."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.fixture(scope="session")
def outside_packages(tmp_path_factory) -> Path:
    """A folder in which the projects of tests/outside are installed: a process sees them with it on PYTHONPATH."""
    folder = tmp_path_factory.mktemp("outside")
    sources = shutil.copytree(OUTSIDE, folder / "sources")
    projects = [str(project.parent) for project in sorted(sources.glob("*/pyproject.toml"))]
    options = ["--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", folder / "installed", *projects], check=True
    )
    return folder / "installed"
