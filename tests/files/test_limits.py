"""What is being received is bounded: one body, and all of them together. Whoever goes too far hears why."""

import base64
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from openai import APIStatusError, NotFoundError, OpenAI
from running import Running
from ways.films import photo

PHOTO = photo((160, 96), ("#d8d2c4", "#3d6b35", "#c9412b"))
UPLOAD, TOGETHER, BODY = 4_000_000, 12_000_000, 4_000_000
MUCH = bytes(3_900_000)
"""Three times this leaves no room for a fourth body, though the last piece of each is not counted yet."""
MORE = PHOTO + bytes(1_500_000)
KEY = {"Authorization": "Bearer han1234"}
HEAD = (
    "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer han1234\r\nContent-Length: 3999999\r\n"
    "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    limits = ("--upload-limit", str(UPLOAD), "--receive-limit", str(TOGETHER), "--json-limit", str(BODY))
    folder = tmp_path_factory.mktemp("limits") / "data"
    with Running("serve", folder, "--sandbox-delay", "0", *limits, "--file-lifetime", "1") as server:
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
    head = HEAD.partition("\r\n\r\n")[2].encode() if kind.startswith("multipart") else b""
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


def _until(ask, http: httpx2.Client, status: int) -> httpx2.Response:
    """The first reply with the *status*; the server hears of those who come and go a moment later."""
    deadline = time.monotonic() + 20
    while (reply := ask(http)).status_code != status and time.monotonic() < deadline:
        time.sleep(0.05)
    assert reply.status_code == status, reply.text
    return reply


@pytest.mark.parametrize("ask", [_upload, _json])
def test_who_would_make_it_too_much_at_once_is_told_to_wait(server, http, ask):
    address = httpx2.URL(server.url)
    with ExitStack() as stack:
        for _ in range(3):
            other = stack.enter_context(socket.create_connection((address.host, address.port)))
            other.sendall(HEAD.encode() + MUCH)

        refused = _until(ask, http, 503)

    error = refused.json()["error"]
    assert (error["code"], error["param"]) == ("receiving_full", None)
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("5", "true")
    assert _until(ask, http, 200).json()["id"]
    assert list((server.folder / "scratch").iterdir()) == []


def test_a_file_that_has_expired_is_gone(server):
    with OpenAI(api_key="han1234", base_url=f"{server.url}/v1", max_retries=0) as client:
        file = client.files.create(file=("a.png", PHOTO), purpose="vision").id
        assert client.files.content(file).content == PHOTO
        time.sleep(1.1)

        for ask in (client.files.retrieve, client.files.content):
            with pytest.raises(NotFoundError):
                ask(file)
        assert file not in [one.id for one in client.files.list()]
