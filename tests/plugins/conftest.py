"""Requests, files and sources for the tests of modes, which need no server."""

import msgspec
import pytest

from sora2api.modes import Request
from sora2api.testing import everything_found


def _ask(**fields) -> Request:
    return msgspec.convert({"model": "sora-2", "makes": "video", "size": "1280x720", "seconds": 10.0} | fields, Request)


@pytest.fixture(scope="session")
def ask():
    """A request for a video of 10 s, with these fields."""
    return _ask


@pytest.fixture(scope="session")
def steps():
    """The steps of a mode's plan for a request, all found that it refers to."""
    return lambda mode, request: mode.plan(request, everything_found(mode, request)).steps
