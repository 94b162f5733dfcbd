"""A server with keys of many limits."""

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


@pytest.fixture(scope="module")
def module_rig(tmp_path_factory) -> Iterator[KeyedRig]:
    """A rig that a file's tests share, its sandbox instant and its server not yet started."""
    rig = KeyedRig(tmp_path_factory.mktemp("rig"))
    rig.start_sandbox("--delay", "0")
    rig.connect()
    yield rig
    rig.close()


@pytest.fixture(scope="session")
def refused():
    """The error of a reply, found to have a status and a code."""

    def error(response, status: int, code: str):
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        return response.json()["error"]

    return error
