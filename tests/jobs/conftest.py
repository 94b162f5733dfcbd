"""The accounts that tests tell what to answer, and a server on a sandbox, both processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import Rig
from told import accounts

__all__ = ["accounts"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Not yet started."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()
