"""A collector that decodes what is sent to it, and an engine's address at which headers can be seen."""

import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Listener:
    """A server on loopback, in a thread of its own."""

    def __init__(self) -> None:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener.take(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def do_GET(self) -> None:
                listener.take(self, None)

            def log_message(self, *_said: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever)

    def take(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class Collector(Listener):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self.paths: set[str] = set()

    def take(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        self.paths.add(handler.path)
        for resource in ExportTraceServiceRequest.FromString(body or b"").resource_spans:
            self.resources.append({each.key: each.value.string_value for each in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans += scope.spans
        answer(handler, 200, b"", "application/x-protobuf")

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


class Relay(Listener):
    """Hands all that comes on to an engine, and remembers the headers."""

    def __init__(self, engine: str) -> None:
        super().__init__()
        self._engine = engine
        self.headers: list[dict[str, str]] = []

    def take(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.headers.append(headers)
        kept = {name: headers[name] for name in ("authorization", "content-type", "range") if name in headers}
        asked = urllib.request.Request(self._engine + handler.path, data=body, headers=kept, method=handler.command)
        try:
            with urllib.request.urlopen(asked, timeout=30) as reply:
                answer(handler, reply.status, reply.read(), reply.headers["Content-Type"])
        except urllib.error.HTTPError as error:
            answer(handler, error.code, error.read(), error.headers["Content-Type"])
