"""The openai driver keeps the driver contract, at the sandbox."""

import pytest

from sora2api.drivers.openai import OpenAIDriver
from sora2api.testing import DriverContract


class TestOpenAIDriver(DriverContract):
    @pytest.fixture
    def driver(self, sandbox, connect) -> OpenAIDriver:
        return connect(sandbox)
