"""The server behind a real nginx and a real Caddy, each by the file of deploy/ that is meant for it."""

import json
import signal
import struct
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import httpx2
import pytest
from commands import until
from fronts import FAR, FRONTS, Front, found, peak_of
from rig import Rig
from served import token

PASSWORD = "correct horse battery"
CLIP = {"model": "sora-video-landscape-10s", "messages": [{"role": "user", "content": "A balloon ride"}]}
LARGE = 200_000_000
BOUNDARY = "a-boundary"
PIECE = 1_000_000
TRUSTED = ("--trusted-proxies", "127.0.0.1")
SPOOFED = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9;proto=http"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"))
    try:
        rig.start_sandbox("--delay", "3")
        rig.connect()
        rig.start_server(*TRUSTED, "--heartbeat", "1", "--poll-interval", "1", "--json-limit", str(2 * PIECE))
        yield rig
    finally:
        rig.close()


@pytest.fixture(scope="module", params=FRONTS, ids=lambda kind: kind.program)
def front(request, rig, tmp_path_factory) -> Iterator[Front]:
    if found(request.param.program) is None:
        pytest.skip(f"{request.param.program} is not installed")
    front = request.param(tmp_path_factory.mktemp("front") / request.param.program, rig.server.url.partition("://")[2])
    yield front
    front.stop()


@pytest.fixture
def client(rig, front) -> Iterator[httpx2.Client]:
    with front.client(headers=rig.headers) as client:
        yield client


@pytest.fixture(scope="module")
def made(rig) -> tuple[str, bytes]:
    """A video: its path, and its content."""
    path = f"/v1/videos/{rig.ask('a balloon')}"
    until(lambda: rig.get(path).json()["status"] == "completed")
    return path, rig.get(f"{path}/content").content


@pytest.fixture
def held(rig) -> Iterator[Callable[[], None]]:
    """Holds the engine, or lets it go on if it is held: what it makes stands still meanwhile."""
    signals = cycle((signal.SIGSTOP, signal.SIGCONT))
    yield lambda: rig.sandbox.signal(next(signals))
    rig.sandbox.signal(signal.SIGCONT)


def test_events_arrive_one_by_one_while_their_job_is_held(client, held):
    """A hold ends only when what was said until then has arrived: with a proxy that gathers, it would not end."""
    held()
    with client.stream("POST", "/v1/chat/completions", json=CLIP | {"stream": True}) as reply:
        lines = reply.iter_lines()
        assert json.loads(next(lines).removeprefix("data: "))["sora2api"]["status"] == "queued"
        assert next(line for line in lines if line.startswith(":"))
        held()
        assert next(line for line in lines if "%" in line)
        held()
        assert next(line for line in lines if line.startswith(":"))
        held()
        rest = [line for line in lines if line.startswith("data: ")]

    assert rest[-1] == "data: [DONE]"


def test_parts_of_a_file_can_be_asked_for(client, made):
    path, clip = made

    part = client.get(f"{path}/content", headers={"Range": "bytes=100-199"})
    end = client.get(f"{path}/content", headers={"Range": "bytes=-10"})
    beyond = client.get(f"{path}/content", headers={"Range": f"bytes={len(clip)}-"})
    known = client.get(f"{path}/content", headers={"If-None-Match": part.headers["etag"]})

    assert (part.status_code, part.content) == (206, clip[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(clip)}"
    assert (end.status_code, end.content) == (206, clip[-10:])
    assert beyond.status_code == 416
    assert known.status_code == 304


def test_links_are_of_the_name_and_scheme_that_the_client_called(client, front, made):
    reply = client.post("/v1/chat/completions", json=CLIP).json()
    (asset,) = reply["sora2api"]["assets"]

    assert asset["url"].startswith(f"{front.url}/")
    assert client.get(asset["url"], headers={"Authorization": ""}).content[4:8] == b"ftyp"


def test_the_log_has_the_clients_true_address_whatever_the_client_says(client, rig):
    asked = client.get("/v1/models", headers=SPOOFED).headers["x-request-id"]

    assert logged(rig, asked)["address"] == FAR


def test_what_an_address_says_that_is_not_trusted_is_not_believed(rig):
    spoofed = SPOOFED | {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    transport = httpx2.HTTPTransport(local_address="127.0.0.9", trust_env=False)
    with httpx2.Client(base_url=rig.server.url, transport=transport, headers=rig.headers, timeout=60) as client:
        asked = client.get("/v1/models", headers=spoofed).headers["x-request-id"]
        login = client.get("/admin/login", headers=spoofed)

    assert logged(rig, asked)["address"] == "127.0.0.9"
    assert "strict-transport-security" not in login.headers


def test_who_logs_in_to_the_panel_stays_with_tls(front, rig):
    password = next(
        line.removeprefix("Panel password: ")
        for line in (rig.data / "first-login.txt").read_text().splitlines()
        if line.startswith("Panel password: ")
    )
    with front.client(headers={"Origin": front.url}, follow_redirects=True) as browser:
        asked = browser.get("/admin/login")
        entered = browser.post("/admin/login", data={"username": "admin", "password": password})
        (cookie,) = browser.cookies.jar
        left = browser.post("/admin/logout", data={"csrf": token(entered)})

    assert asked.headers["strict-transport-security"].startswith("max-age=")
    assert (entered.status_code, entered.url.path) == (200, "/admin/")
    assert cookie.secure
    assert left.url.path == "/admin/login"


def test_who_comes_without_tls_is_sent_to_it(front):
    reply = httpx2.get(f"http://localhost:{front.plain}/admin/?a=b", follow_redirects=False, trust_env=False)

    assert reply.status_code == 308
    assert reply.headers["location"].startswith("https://localhost")
    assert reply.headers["location"].endswith("/admin/?a=b")


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "//metrics", "/%6detrics", "/./readyz"])
def test_figures_and_the_names_of_accounts_are_for_this_machine_alone(client, front, path):
    asked = httpx2.URL(front.url).copy_with(raw_path=path.encode())

    assert client.get(asked).status_code in (403, 404)


def test_whether_it_is_alive_can_be_asked_from_everywhere_and_all_else_from_this_machine(client, front):
    with front.client(address="127.0.0.1") as near:
        assert near.get("/readyz").status_code == 200
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_body_that_is_too_large_is_refused_in_the_words_of_the_api(client):
    reply = client.post("/v1/chat/completions", content=bytes(3 * PIECE), headers={"Content-Type": "application/json"})

    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "request_too_large"


def test_a_large_upload_is_handed_on_as_it_comes_and_held_nowhere_in_memory(client, front, rig, made):
    _, clip = made
    clip += struct.pack(">I4s", LARGE - len(clip), b"free")
    head, tail = form(clip)
    before = front.peak(), peak_of(rig.server.pid)

    def body() -> Iterator[bytes]:
        yield head
        sent = len(clip)
        for number in range((LARGE - sent) // PIECE):
            yield bytes(PIECE)
            sent += PIECE
            if number == 50:  # the rest is sent only when some of it has come to the server
                until(lambda: any(file.stat().st_size > PIECE for file in rig.data.glob("scratch/*/*")))
        yield bytes(LARGE - sent)
        yield tail

    length = len(head) + LARGE - len(clip) + len(tail)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(length)}
    kept = client.post("/v1/files", content=body(), headers=headers)
    after = front.peak(), peak_of(rig.server.pid)

    assert (kept.status_code, kept.json()["bytes"]) == (200, LARGE)
    assert after[0] - before[0] < LARGE // 4
    assert after[1] - before[1] < LARGE // 4
    assert not any(path.is_file() and path.stat().st_size > PIECE for path in front.folder.rglob("*"))


def form(clip: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the rest of a video, in a form that has its purpose and then the video's begin."""
    purpose = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nvision\r\n'
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return (purpose + file).encode() + clip, f"\r\n--{BOUNDARY}--\r\n".encode()


def logged(rig: Rig, request: str) -> dict[str, Any]:
    """What the log has of a request; it is written a moment later."""
    return until(lambda: next((row for row in rig.run("log", "list") if row["id"] == request), None))
