"""Runs in a network of its own, which has nothing but its loopback: the server, its operator and its client.

The proxy's listening socket is made in here, and handed out to the one who started this, to be served out there.
`inside.py CHANNEL ORDERS` prints what became of the orders, as JSON.
"""

import array
import fcntl
import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx2

PATIENCE = 60


def _raise_loopback() -> None:
    """As `ip link set lo up` does: SIOCSIFFLAGS with IFF_UP and IFF_RUNNING."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))


def _hand_out(channel: int, listening: socket.socket) -> None:
    with socket.socket(fileno=channel) as out:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listening.fileno()]))
        out.sendmsg([b"!"], [rights])
        out.recv(1)  # until it is served


def _sora2api(*arguments: str, orders: dict) -> list[str]:
    return [sys.executable, "-m", "sora2api", *arguments, "--data-dir", str(Path(orders["folder"]) / "data"), "--json"]


def _added(orders: dict, port: int) -> dict:
    proxy = f"{orders['scheme']}://{orders['credentials']}127.0.0.1:{port}" if orders["scheme"] else "none"
    given = ("--base-url", orders["engine"], "--token", "stale", "--name", "far")
    given += (
        "--refresh-token",
        "r0",
        "--refresh-url",
        orders["auth"],
        *(() if proxy == "none" else ("--proxy", proxy)),
    )
    done = subprocess.run(
        _sora2api("account", "add", "--driver", "openai", *given, orders=orders),
        env=os.environ | {"PYTHONPATH": orders["audit"], "AUDIT_NOTES": orders["notes"]},
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=True,
    )
    return json.loads(done.stdout)


def _served(orders: dict, key: str) -> dict:
    """A picture, a video with its content, and a video that is cancelled while it is made."""
    command = _sora2api("serve", "--port", "0", orders=orders)
    environment = os.environ | {"PYTHONPATH": orders["audit"], "AUDIT_NOTES": orders["notes"]}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as server:
        try:
            url = json.loads(server.stdout.readline())["url"]
            headers = {"Authorization": f"Bearer {key}"}
            with httpx2.Client(base_url=url, headers=headers, timeout=PATIENCE) as http:
                said = _asked(http)
                _settled(Path(orders["folder"]) / "data" / "sora2api.db")
                return said
        finally:
            server.terminate()


def _asked(http: httpx2.Client) -> dict:
    picture = http.post("/v1/images/generations", json={"model": "sora-image", "prompt": "a cat"})
    wanted = {"model": "sora-video", "prompt": "a cat", "seconds": "1", "size": "160x96"}
    video = http.post("/v1/videos", json=wanted).json()
    status = _followed(http, video["id"])
    content = http.get(f"/v1/videos/{video['id']}/content").content
    other = http.post("/v1/videos", json=wanted | {"prompt": "a dog", "seconds": "12"}).json()
    while http.get(f"/v1/videos/{other['id']}").json()["status"] == "queued":
        time.sleep(0.05)
    cancelled = http.delete(f"/v1/videos/{other['id']}").status_code
    return {
        "picture": picture.status_code,
        "video": status,
        "content": len(content),
        "cancelled": cancelled,
    }


def _settled(file: Path) -> None:
    """Wait until no task holds a slot: the one that was cancelled has really ended at the engine."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        while database.execute("SELECT count(*) FROM tasks WHERE ended_at IS NULL").fetchone()[0]:
            time.sleep(0.05)


def _followed(http: httpx2.Client, video: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = http.get(f"/v1/videos/{video}").json()["status"]
        if status in {"completed", "failed"}:
            return status
        time.sleep(0.1)
    return "too slow"


def main(channel: int, orders: dict) -> None:
    _raise_loopback()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        _hand_out(channel, listening)
        said = {"proxy": port, "added": _added(orders, port)}
        if said["added"]["trouble"] is None:
            said["served"] = _served(orders, said["added"]["issued"]["key"])
        sys.stdout.write(json.dumps(said))


main(int(sys.argv[1]), json.loads(sys.argv[2]))
