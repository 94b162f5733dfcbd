"""A server as its users have it, and OpenAI's SDK with two of its keys."""

import json
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from openai import OpenAI
from running import Running
from ways.rigs import becomes


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Running]:
    with Running("serve", tmp_path_factory.mktemp("files") / "data", "--sandbox-delay", "0") as server:
        yield server


@pytest.fixture(scope="session")
def client(server) -> Iterator[OpenAI]:
    with OpenAI(api_key="han1234", base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def other(server) -> Iterator[OpenAI]:
    """Somebody else."""
    command = (sys.executable, "-m", "sora2api", "key", "create", "--name", "other", "--json", "--data-dir")
    made = subprocess.run([*command, str(server.folder)], check=True, capture_output=True)
    key = json.loads(made.stdout)["key"]
    known = {"Authorization": f"Bearer {key}"}
    assert becomes(lambda: httpx2.get(f"{server.url}/v1/models", headers=known).is_success)
    with OpenAI(api_key=key, base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client
