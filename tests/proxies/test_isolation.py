"""Nothing that is done for an account leaves outside its proxy.

The server runs in a network of its own, from which only the proxy can be reached, and a hook sees every socket of it.
"""

import array
import asyncio
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from aiohttp import web

HERE = Path(__file__).parent
_UNSHARE = ("unshare", "--map-root-user", "--net")


def _why_not() -> str | None:
    """Why there is no network of one's own here."""
    if shutil.which("unshare") is None:
        return "there is no command `unshare` (util-linux)"
    done = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"the kernel gives no network namespace: {done.stderr.strip()}"


_REASON = _why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(_REASON is not None, reason=_REASON or "")]


class Giver:
    """A server of OAuth 2 that gives the token which the engine takes, and counts how often."""

    def __init__(self) -> None:
        self.given = 0
        self.port = 0

    async def give(self, request: web.Request) -> web.Response:
        self.given += (await request.post())["refresh_token"] == "r0"
        return web.json_response({"access_token": "sk-sandbox", "expires_in": 3600})


@pytest.fixture
async def giver() -> AsyncIterator[Giver]:
    giver = Giver()
    app = web.Application()
    app.router.add_post("/token", giver.give)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    giver.port = site.port
    yield giver
    await runner.cleanup()


class Inside:
    """What became of the orders, and what the hook has seen: pairs of an event and where to."""

    def __init__(self, said: dict, notes: Path) -> None:
        self.said = said
        lines = [json.loads(line) for line in notes.read_text().splitlines()]
        self.connects = {tuple(where) for event, where in lines if event == "socket.connect"}
        self.sent = [where for event, where in lines if event.startswith("socket.send")]
        self.names = {where[0] for event, where in lines if event.startswith("socket.get")}
        self.bound = {where[0] for event, where in lines if event == "socket.bind"}


async def _ordered(tmp_path: Path, start_proxy, **orders: str) -> tuple[Inside, list[tuple[str, int]]]:
    """Have the *orders* carried out inside, with a proxy outside; and what the proxy was asked for."""
    notes = tmp_path / "notes"
    orders |= {"folder": str(tmp_path), "audit": str(HERE / "audit"), "notes": str(notes)}
    near, far = socket.socketpair()
    with near, far:
        process = await asyncio.create_subprocess_exec(
            *_UNSHARE, sys.executable, str(HERE / "inside.py"), str(far.fileno()), json.dumps(orders),
            pass_fds=(far.fileno(),), stdout=subprocess.PIPE,
        )  # fmt: skip
        listening = await asyncio.to_thread(_received, near)
        protocol = (orders["scheme"] or "socks5").removesuffix("h")
        proxy = await start_proxy(protocol, orders["credentials"].rstrip("@"), listening=listening)
        near.send(b"!")
        out, _ = await asyncio.wait_for(process.communicate(), 150)
    assert process.returncode == 0
    return Inside(json.loads(out), notes), proxy.asked


def _received(near: socket.socket) -> socket.socket:
    _, rights, _, _ = near.recvmsg(1, socket.CMSG_SPACE(4))
    return socket.socket(fileno=array.array("i", rights[0][2])[0])


@pytest.mark.parametrize(
    ("scheme", "engine", "credentials"),
    [
        ("socks5h", "engine.test", "me:secret@"),
        ("socks5", "127.0.0.1", "me:secret@"),
        pytest.param("http", "engine.test", "me:secret@", marks=pytest.mark.slow),
        pytest.param("socks4", "127.0.0.1", "", marks=pytest.mark.slow),
    ],
)
async def test_every_call_of_an_account_goes_through_its_proxy(
    tmp_path, sandbox, giver, start_proxy, scheme, engine, credentials
):
    port = int(sandbox.url.removesuffix("/v1").rpartition(":")[2])

    inside, asked = await _ordered(
        tmp_path,
        start_proxy,
        scheme=scheme,
        credentials=credentials,
        engine=f"http://{engine}:{port}/v1",
        auth=f"http://{engine}:{giver.port}/token",
    )

    served = inside.said["served"]
    assert (served["picture"], served["video"], served["cancelled"]) == (200, "completed", 200)
    assert served["content"] > 1000
    assert giver.given == 1
    headers = {"Authorization": "Bearer sk-sandbox"}
    paths = httpx2.get(f"http://127.0.0.1:{port}/_sandbox/stats").json()["by_path"]
    videos = httpx2.get(f"http://127.0.0.1:{port}/v1/videos", headers=headers).json()["data"]
    assert {"/v1/models", "/v1/images/generations", "/v1/videos"} < paths.keys()
    assert any(path.endswith("/content") for path in paths)
    assert "in_progress" not in {video["status"] for video in videos}
    assert set(asked) == {(engine, port), (engine, giver.port)}
    assert inside.connects == {("127.0.0.1", str(inside.said["proxy"]))}
    assert inside.sent == []
    assert inside.names <= {"None", "127.0.0.1"}
    assert inside.bound <= {"127.0.0.1"}


async def test_a_call_that_leaves_outside_would_have_been_seen(tmp_path, sandbox, giver, start_proxy):
    inside, asked = await _ordered(
        tmp_path,
        start_proxy,
        scheme="",
        credentials="",
        engine="http://engine.test:8000/v1",
        auth="http://engine.test:8000/token",
    )

    assert inside.said["added"]["trouble"].startswith("engine_unreachable")
    assert "engine.test" in inside.names
    assert asked == []
