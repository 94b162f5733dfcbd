"""A server on an engine that makes characters itself, and OpenAI's SDK with keys of it."""

import json
from collections.abc import Callable, Iterator

import httpx2
import pytest
from openai import OpenAI
from ways.rigs import Rig, becomes


@pytest.fixture(scope="package")
def rig(tmp_path_factory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("characters"))
    rig.sandbox("box")
    rig.account("box", "--video-slots", "8")
    rig.serve()
    yield rig
    rig.close()


@pytest.fixture(scope="package")
def new_client(rig) -> Iterator[Callable[[str], OpenAI]]:
    clients: list[OpenAI] = []

    def client(key: str) -> OpenAI:
        clients.append(OpenAI(api_key=key, base_url=f"{rig.server.url}/v1", max_retries=0))
        return clients[-1]

    yield client
    for client in clients:
        client.close()


@pytest.fixture(scope="package")
def client(rig, new_client) -> OpenAI:
    return new_client(rig.key)


@pytest.fixture
def other(rig, new_client) -> OpenAI:
    """Somebody who has nothing yet."""
    key = json.loads(rig.run("key", "create", "--name", "other"))["key"]
    known = {"Authorization": f"Bearer {key}"}
    assert becomes(lambda: httpx2.get(f"{rig.server.url}/v1/models", headers=known).is_success)
    return new_client(key)
