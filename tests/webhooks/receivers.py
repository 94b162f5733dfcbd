"""Receivers that webhooks really reach, and what is asked of a server in these tests."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import openai
from running import Running

KEY = "han1234"
PATIENCE = 20.0
IMAGE = {"model": "gpt-image-2", "prompt": "a lighthouse", "size": "64x64"}
NEAR = ("--sandbox-delay", "0", "--fetch-allow", "127.0.0.0/8")


class Received(NamedTuple):
    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def event(self, secret: str) -> Any:
        """What the SDK makes of it, once it has verified the signature."""
        return openai.OpenAI(api_key="-", webhook_secret=secret).webhooks.unwrap(self.body, self.headers)


class Receiver:
    """Notes what it is sent; answers with *status*, and not before *open* is set."""

    def __init__(self) -> None:
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        self.received: list[Received] = []
        self._news = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver._news:
                    receiver.received.append(Received(time.monotonic(), headers, body))
                    receiver._news.notify_all()
                receiver.open.wait(PATIENCE)
                try:
                    self.send_response(receiver.status)
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=b%20c"

    def wait(self, count: int = 1) -> list[Received]:
        """What was received, as soon as it is so much."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.received) >= count, PATIENCE), self.received
            return list(self.received)

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def client_of(server: Running, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=f"{server.url}/v1", max_retries=0)


def draw(client: openai.OpenAI, **more: Any) -> str:
    """Make an image; its job's id."""
    made = client.images.generate(**IMAGE, extra_body=more)
    return made.model_extra["sora2api"]["job"]


def deliveries(client: openai.OpenAI, endpoint_id: str) -> list[dict[str, Any]]:
    return client.get(f"/webhook_endpoints/{endpoint_id}/deliveries", cast_to=object)["data"]


def settled(client: openai.OpenAI, endpoint_id: str) -> dict[str, Any]:
    """The endpoint's only delivery, when an attempt at it has been noted."""
    deadline = time.monotonic() + PATIENCE
    while True:
        (delivery,) = deliveries(client, endpoint_id)
        if delivery["attempts"] or time.monotonic() > deadline:
            return delivery
        time.sleep(0.02)
