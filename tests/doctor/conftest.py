"""An installation that is well, for faults to be planted in."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import ran
from doctor.patients import Patient, free_port
from running import Running


@pytest.fixture(scope="session")
def engine(tmp_path_factory) -> Iterator[str]:
    """The base URL of a sandbox that stands for an engine elsewhere."""
    with Running("sandbox", tmp_path_factory.mktemp("engine"), "--delay", "0") as sandbox:
        yield f"{sandbox.url}/v1"


@pytest.fixture(scope="session")
def template(engine, tmp_path_factory) -> Path:
    """A data directory with one account at the engine, whose operator has put the first login away."""
    folder = tmp_path_factory.mktemp("template") / "data"
    given = ("--driver", "openai", "--base-url", engine, "--token", "sk-sandbox", "--name", "box")
    ran("account", "add", *given, "--data-dir", str(folder))
    (folder / "first-login.txt").unlink()
    return folder


@pytest.fixture
def patient(template) -> Iterator[Patient]:
    """A copy of it, in a place that every user can come to, with a port of its own."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield Patient(shutil.copytree(template, place / "data"), port=free_port())
    shutil.rmtree(place)
