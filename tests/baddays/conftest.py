"""The rig on which days go bad, shared by the tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from baddays.settling import BadDay
from rig import Rig


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Rig]:
    """A server that is well, its one account at a sandbox that takes half a second over a video."""
    rig = Rig(tmp_path_factory.mktemp("rig"))
    rig.start_sandbox("--delay", "0.5", "--without", "shots")
    rig.connect("--set", "dialect=sandbox", "--set", "answer_timeout=1.5")
    rig.start_server("--poll-interval", "0.5")
    yield rig
    rig.close()


@pytest.fixture
def day(shared) -> BadDay:
    """A day on the shared rig."""
    return BadDay(shared)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig of the test's own, not yet started."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def bad_day() -> type[BadDay]:
    """Makes a day of a rig that runs."""
    return BadDay
