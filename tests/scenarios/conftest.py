"""Servers as processes, each with a stand-alone sandbox as its engine, shared by the scenarios that want the same."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import Rig
from scenarios.asking import Asker
from ways.films import photo


@pytest.fixture(scope="session")
def roomy_rig(tmp_path_factory) -> Iterator[Rig]:
    """Room for eight videos at once, and no patience with links into private networks."""
    rig = Rig(tmp_path_factory.mktemp("roomy"))
    rig.start_sandbox("--delay", "0.4")
    rig.connect("--set", "dialect=sandbox")
    rig.start_server("--poll-interval", "0.3")
    yield rig
    rig.close()


@pytest.fixture(scope="session")
def narrow_rig(tmp_path_factory) -> Iterator[Rig]:
    """Room for one video and two images; who waits is soon told to come back; links to this machine are followed."""
    rig = Rig(tmp_path_factory.mktemp("narrow"))
    rig.start_sandbox("--delay", "0.4")
    rig.connect("--set", "dialect=sandbox", "--image-slots", "2", video_slots=1)
    limits = ("--wait-limit", "1.5", "--queue-timeout", "3", "--fetch-allow", "127.0.0.0/8")
    rig.start_server("--poll-interval", "0.3", *limits)
    yield rig
    rig.close()


@pytest.fixture
def roomy(roomy_rig) -> Iterator[Asker]:
    """The roomy server; at the end nothing may be left of what was asked of it."""
    asker = Asker(roomy_rig)
    yield asker
    asker.close()


@pytest.fixture
def narrow(narrow_rig) -> Iterator[Asker]:
    """The narrow server; at the end nothing may be left of what was asked of it."""
    asker = Asker(narrow_rig)
    yield asker
    asker.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig of the test's own, not yet started."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def asking() -> type[Asker]:
    """Asks a rig that runs."""
    return Asker


@pytest.fixture(scope="session")
def face() -> bytes:
    """A PNG unlike anything that the sandbox draws."""
    return photo((320, 180), ("#101060", "#e0c020", "#20b0a0"))


@pytest.fixture(scope="session")
def url_of():
    """A file as a data URL."""
    return lambda data, kind: f"data:{kind};base64,{base64.b64encode(data).decode()}"
