"""A server as its users have it, and receivers that its webhooks really reach."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import openai
import pytest
from running import Running
from webhooks.receivers import NEAR, Receiver, client_of


@pytest.fixture
def receive() -> Iterator[Callable[[], Receiver]]:
    with ExitStack() as stack:

        def start() -> Receiver:
            receiver = Receiver()
            stack.callback(receiver.close)
            return receiver

        yield start


@pytest.fixture
def receiver(receive) -> Receiver:
    return receive()


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Running]:
    with Running("serve", tmp_path_factory.mktemp("webhooks"), *NEAR) as server:
        yield server


@pytest.fixture
def client(server) -> Iterator[openai.OpenAI]:
    with client_of(server) as client:
        yield client
        for endpoint in client.webhooks.list():
            client.webhooks.delete(endpoint.id)
