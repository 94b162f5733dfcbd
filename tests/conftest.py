"""What tests of several folders share."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OUTSIDE = Path(__file__).parent / "outside"


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
