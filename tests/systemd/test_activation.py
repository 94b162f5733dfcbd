"""A server that is started with its sockets listens on those, and a restart refuses nobody."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing

import httpx2
import pytest
from commands import until
from managed import activated

from sora2api.cli import sockets
from sora2api.cli.sockets import UnfitSocket, taken

pytestmark = pytest.mark.slow

VIDEO = {"model": "sora-video", "prompt": "A heron", "size": "160x96", "seconds": 1}


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield listening


@pytest.fixture
def unix(tmp_path):
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "http.sock"))
        unix.listen(128)
        yield unix


def at(listening):
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


class Clients:
    """Some that ask all the time, each request on a connection of its own, until the context is left."""

    def __init__(self, url):
        self.url = url
        self.outcomes = Counter()
        self._over = threading.Event()
        asked = [("GET", "/v1/models", None)] * 4 + [("POST", "/v1/videos", VIDEO)] * 2
        self._threads = [threading.Thread(target=self._ask, args=each) for each in asked]

    def _ask(self, method, path, body):
        headers = {"Authorization": "Bearer han1234", "Connection": "close"}
        while not self._over.is_set():
            try:
                reply = httpx2.request(method, self.url + path, json=body, headers=headers, timeout=90)
            except httpx2.TransportError as error:
                self.outcomes[repr(error)] += 1
            else:
                self.outcomes[method, reply.status_code if reply.status_code == 200 else reply.text] += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_a_client_that_connects_while_no_server_runs_waits_and_is_served(listening, unix, tmp_path):
    with closing(socket.create_connection(listening.getsockname())) as waiting:
        waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with activated(tmp_path / "data", listening, unix, LISTEN_FDNAMES="http:local") as server:
            assert server.url == at(listening)
            assert waiting.recv(12) == b"HTTP/1.1 200"

            transport = httpx2.HTTPTransport(uds=unix.getsockname())
            with httpx2.Client(base_url="http://server.example", transport=transport) as client:
                assert client.get("/healthz").json() == {"status": "ok"}
                assert client.get("/v1/models", headers={"Authorization": "Bearer han1234"}).status_code == 401


def test_a_restart_under_load_refuses_no_connection(listening, tmp_path):
    options = {"SORA2API_SANDBOX_DELAY": "600"}
    server = activated(tmp_path / "data", listening, **options)
    with Clients(at(listening)) as clients:
        for _ in range(2):
            served = clients.outcomes.total()
            until(lambda: clients.outcomes.total() > served + 20)  # noqa: B023 - it is called before the next turn
            assert server.stop() == 0
            server = activated(tmp_path / "data", listening, **options)
    server.stop()

    assert set(clients.outcomes) == {("GET", 200), ("POST", 200)}, clients.outcomes


def test_the_defaults_do_not_hold_where_a_socket_is_open_to_others(tmp_path):
    with (
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        activated(tmp_path / "data", everywhere, SORA2API_HOST="127.0.0.1"),
    ):
        refused = httpx2.get(f"{at(everywhere)}/v1/models", headers={"Authorization": "Bearer han1234"})

    assert refused.status_code == 401
    assert (tmp_path / "data" / "first-login.txt").exists()


def test_systemd_itself_starts_the_server_for_the_first_client(tmp_path):
    if shutil.which("systemd-socket-activate") is None:
        pytest.skip("systemd-socket-activate is not installed.")
    path = tmp_path / "http.sock"
    serve = [sys.executable, "-m", "sora2api", "serve", "--data-dir", str(tmp_path / "data")]
    command = ["systemd-socket-activate", f"--listen={path}", "--fdname=http", *passed_on(), *serve]
    process = subprocess.Popen(command)
    try:
        until(path.exists)
        with httpx2.Client(
            transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://local", timeout=90
        ) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
    finally:
        process.terminate()
        assert process.wait(90) == 0


def passed_on():
    """systemd-socket-activate hands on of our environment what it is told to."""
    return [f"--setenv={name}" for name in os.environ if name.isidentifier()]


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["datagram", "not listening"])
def test_a_socket_that_nobody_can_connect_to_is_refused_by_name(kind):
    with socket.socket(socket.AF_INET, kind) as wrong, pytest.raises(UnfitSocket, match="metrics"):
        taken(os.dup(wrong.fileno()), "metrics")


def test_sockets_that_are_for_another_process_are_left_alone():
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", "LANG": "C"}

    assert sockets.given(environment) == ()
    assert environment == {"LANG": "C"}
