"""A server as its users have it."""

from collections.abc import Iterator

import pytest
from running import Running


@pytest.fixture(scope="session")
def url(tmp_path_factory) -> Iterator[str]:
    options = ("--sandbox-delay", "1", "--fetch-allow", "127.0.0.0/8")
    with Running("serve", tmp_path_factory.mktemp("api") / "data", *options) as server:
        yield server.url
