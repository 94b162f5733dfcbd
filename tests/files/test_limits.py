"""What is being received is bounded: one body, and all of them together. Whoever goes too far hears why."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from openai import APIStatusError, NotFoundError, OpenAI
from running import Running
from ways.films import photo
from ways.rigs import becomes

PHOTO = photo((160, 96), ("#d8d2c4", "#3d6b35", "#c9412b"))
UPLOAD, TOGETHER, BODY = 1_000_000, 12_000_000, 4_000_000
MORE = PHOTO + bytes(900_000)
KEY = {"Authorization": "Bearer han1234"}
FORM_HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    limits = ("--upload-limit", str(UPLOAD), "--receive-limit", str(TOGETHER), "--json-limit", str(BODY))
    near = ("--fetch-allow", "127.0.0.0/8")
    folder = tmp_path_factory.mktemp("limits") / "data"
    with Running("serve", folder, "--sandbox-delay", "0", *limits, "--file-lifetime", "1", *near) as server:
        yield server


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, headers=KEY, timeout=60) as http:
        yield http


def _pieces(length: int) -> Iterator[bytes]:
    for _ in range(length // 100_000):
        yield bytes(100_000)


@pytest.mark.parametrize("length", [UPLOAD + 1, 30_000_000, 250_000_000])
def test_an_upload_that_is_too_large_is_answered_and_not_cut_off(server, length):
    client = OpenAI(api_key="han1234", base_url=f"{server.url}/v1", max_retries=0)
    with client, pytest.raises(APIStatusError) as refused:
        client.files.create(file=("a.png", bytes(length)), purpose="vision")

    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")
    assert refused.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_large_is_answered_whether_or_not_it_says_so(http, kind, told):
    head = FORM_HEAD if kind.startswith("multipart") else b""
    content = head + bytes(30_000_000) if told else (piece for piece in (head, *_pieces(30_000_000)))

    reply = http.post("/v1/videos", content=content, headers={"Content-Type": kind})

    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")
    assert http.get("/v1/models").status_code == 200


def _upload(http: httpx2.Client) -> httpx2.Response:
    return http.post("/v1/files", files={"file": ("a.png", MORE)}, data={"purpose": "vision"})


def _json(http: httpx2.Client) -> httpx2.Response:
    image = base64.b64encode(MORE).decode()
    body = {"model": "sora-video", "prompt": "the sea", "size": "160x96", "seconds": 1}
    return http.post("/v1/videos", json=body | {"input_reference": {"image_url": f"data:image/png;base64,{image}"}})


def _others(server: Running, stack: ExitStack) -> None:
    """Three who have sent much that the server holds, since the link in it is never answered."""
    site = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    link = f"http://127.0.0.1:{site.getsockname()[1]}/a.png"
    body = json.dumps({"prompt": "a", "input_reference": {"image_url": link}, "more": "x" * 3_900_000}).encode()
    head = f"Host: localhost\r\nAuthorization: {KEY['Authorization']}\r\nContent-Length: {len(body)}\r\n"
    address = httpx2.URL(server.url)
    for _ in range(3):
        other = stack.enter_context(socket.create_connection((address.host, address.port)))
        other.sendall(f"POST /v1/videos HTTP/1.1\r\n{head}Content-Type: application/json\r\n\r\n".encode() + body)
        stack.enter_context(site.accept()[0])


@pytest.mark.parametrize("ask", [_upload, _json])
def test_who_would_make_it_too_much_at_once_is_told_to_wait(server, http, ask):
    with ExitStack() as stack:
        _others(server, stack)
        refused = ask(http)

    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (503, "receiving_full", None)
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("5", "true")
    assert becomes(lambda: ask(http).is_success)
    assert becomes(lambda: list((server.folder / "scratch").iterdir()) == [])


def test_a_file_that_has_expired_is_gone(server):
    with OpenAI(api_key="han1234", base_url=f"{server.url}/v1", max_retries=0) as client:
        file = client.files.create(file=("a.png", PHOTO), purpose="vision").id
        assert client.files.content(file).content == PHOTO
        time.sleep(1.1)

        for ask in (client.files.retrieve, client.files.content):
            with pytest.raises(NotFoundError):
                ask(file)
        assert file not in [one.id for one in client.files.list()]
