"""Servers of others on this machine: a website, a server that renews tokens, a proxy."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pproxy
from pproxy.server import ProxyDirect


class _Neighbour:
    """An HTTP server in a thread, at *url* until it is `close`d."""

    def __init__(self) -> None:
        neighbour = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(*neighbour.told(self.path, b""))

            def do_POST(self) -> None:
                self._say(*neighbour.told(self.path, self.rfile.read(int(self.headers["Content-Length"]))))

            def _say(self, status: int, kind: str, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def told(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer."""
        raise NotImplementedError

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Website(_Neighbour):
    """Has *files*, a content type and bytes by path, and notes what it was *asked* for."""

    def __init__(self, files: dict[str, tuple[str, bytes]]) -> None:
        self.asked: list[str] = []
        self._files = files
        super().__init__()

    def told(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        self.asked.append(path)
        return (200, *self._files[path]) if path in self._files else (404, "text/plain", b"There is nothing.")


class TokenServer(_Neighbour):
    """The token endpoint of OAuth 2 (RFC 6749, section 6): `sk-1`, `sk-2` and so on, one a refresh token.

    Each refresh token works once, the first is `rt-0`; one that is used again takes all others with it, as the
    security considerations of RFC 9700 (4.14.2) want it. An answer takes *delay* seconds.
    """

    def __init__(self) -> None:
        self.issued = 0
        self.refused = 0
        self.delay = 0.0
        self.lifetime: float | None = None
        self._valid = "rt-0"
        self._turn = threading.Lock()
        super().__init__()

    def told(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        with self._turn:
            right = asked.get("grant_type") == "refresh_token" and asked.get("refresh_token") == self._valid
            status, said = (200, self._issue()) if right else (400, self._refuse())
        time.sleep(self.delay)
        return status, "application/json", json.dumps(said).encode()

    @property
    def token(self) -> str:
        """The last one that was issued."""
        return f"sk-{self.issued}"

    @property
    def refresh_token(self) -> str:
        """The one that works."""
        return self._valid

    def revoke(self) -> None:
        """No refresh token works from now on."""
        self._valid = "none"

    def _issue(self) -> dict[str, Any]:
        self.issued += 1
        self._valid = f"rt-{self.issued}"
        lasts = {} if self.lifetime is None else {"expires_in": self.lifetime}
        return {"access_token": self.token, "token_type": "Bearer", "refresh_token": self._valid, **lasts}

    def _refuse(self) -> dict[str, Any]:
        self.refused += 1
        self.revoke()
        return {"error": "invalid_grant"}


class _Only(ProxyDirect):
    """Brings every connection to one place, wherever it was meant to go."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    async def open_connection(self, host: str, port: int, *args: Any, **options: Any) -> Any:
        return await super().open_connection("127.0.0.1", self._port, *args, **options)


@contextmanager
def proxy(protocol: str, *, to: int, credentials: str) -> Iterator[tuple[int, list[str]]]:
    """A real proxy (pproxy) whose every way ends at the port *to*; its own port, and what it was asked for so far."""
    asked: list[str] = []
    loop = asyncio.new_event_loop()
    options = {"rserver": [_Only(to)], "verbose": asked.append, "authtime": -1}
    server = loop.run_until_complete(pproxy.Server(f"{protocol}://127.0.0.1:0/#{credentials}").start_server(options))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_ended(loop))
        loop.close()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """All that still runs on the *loop* is stopped."""
    others = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
