"""A server as its users have it."""

from collections.abc import Iterator

import pytest
from running import Running


@pytest.fixture(scope="session")
def url(tmp_path_factory) -> Iterator[str]:
    with Running("serve", tmp_path_factory.mktemp("api") / "data") as server:
        yield server.url
