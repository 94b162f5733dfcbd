"""A server whose use is counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from keyed import KeyedRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[KeyedRig]:
    """A rig of the test's own, its sandbox instant and its server not yet started."""
    rig = KeyedRig(tmp_path)
    rig.start_sandbox("--delay", "0")
    rig.connect()
    yield rig
    rig.close()
