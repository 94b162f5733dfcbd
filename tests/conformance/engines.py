"""An engine that does what self-hosted video servers are documented to do when things go wrong."""

import json
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

LARGE: Final = 64 * 1024 * 1024
VIDEO: Final = {"object": "video", "model": "wan", "created_at": 1_760_000_000, "size": None, "seconds": "1"}


class Engine:
    """Takes every video, and its prompt says what becomes of it; it answers `content` with the *clip*."""

    def __init__(self, clip: bytes) -> None:
        self.prompts: dict[str, str] = {}
        self.contents: list[str] = []
        self._looks: list[str] = []
        self.clip = clip
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._say(*engine.told(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace")
                self._say(200, engine.taken(body))

            def _say(self, status: int, body: Any) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                kind = "video/mp4" if isinstance(body, bytes) else "application/json"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def looks(self, prompt: str) -> int:
        """How often it was asked how videos of that *prompt* are."""
        return self._looks.count(prompt)

    def taken(self, body: str) -> dict[str, Any]:
        name = f"task-{len(self.prompts)}"
        said = re.search(r'name="prompt"\r\n.*?\r\n(.*?)\r\n--', body, re.DOTALL)
        self.prompts[name] = said[1].strip() if said else ""
        return VIDEO | {"id": name, "status": "queued", "progress": 0}

    def told(self, path: str) -> tuple[int, Any]:
        where = urlsplit(path)
        if where.path == "/v1/models":
            return 200, {"object": "list", "data": [{"id": "wan", "object": "model", "owned_by": "sglang"}]}
        name, _, content = where.path.removeprefix("/v1/videos/").partition("/")
        if name not in self.prompts or self.prompts[name] == "is forgotten":
            return 404, {"detail": "Not Found"}
        if not content:
            self._looks.append(self.prompts[name])
            return self._state(VIDEO | {"id": name}, self.prompts[name])
        self.contents.append(name)
        if where.query:
            return 404, {"detail": "There is no output of that number."}
        return 200, self.made(self.prompts[name])

    def made(self, prompt: str) -> bytes:
        """A clip; a large one has a box of bytes that players pass over."""
        if prompt != "is large":
            return self.clip
        return self.clip + struct.pack(">I4s", LARGE, b"free") + bytes(LARGE - 8)

    def _state(self, video: dict[str, Any], prompt: str) -> tuple[int, Any]:
        if prompt == "fails with an error status":
            return 500, video | {"status": "failed", "progress": 0, "error": {"code": 500, "message": "out of memory"}}
        if prompt == "fails without a code":
            return 200, video | {"status": "failed", "progress": 40, "error": {"message": "out of memory"}}
        if prompt == "goes on":
            return 200, video | {"status": "in_progress", "progress": 50}
        return 200, video | {"status": "completed", "progress": 100}
