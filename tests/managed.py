"""A service manager for tests: it hears what a server notifies, and passes it sockets."""

import select
import socket
import sys
import time
from pathlib import Path
from typing import Final, Self

from commands import PATIENCE
from running import Running

LAUNCHER: Final = """
import os, sys
descriptors = sys.argv[1].split(",")
for to, descriptor in enumerate(descriptors, 3):
    os.dup2(int(descriptor), to)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(descriptors))}
os.execv(sys.executable, [sys.executable, "-m", "sora2api", *sys.argv[2:]])
"""
"""Becomes the server, with the descriptors where sd_listen_fds(3) has them."""


class Manager:
    """Listens at *address* (`@…`: an abstract one) for the messages of `sd_notify`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address} | more

    def hear(self, patience: float = PATIENCE) -> dict[str, str] | None:
        """The next message; None: there is none in that time."""
        if not select.select([self._socket], [], [], patience)[0]:
            return None
        return dict(line.split("=", 1) for line in self._socket.recv(65536).decode().splitlines())

    def until(self, name: str) -> list[dict[str, str]]:
        """All messages up to one that says *name*."""
        heard: list[dict[str, str]] = []
        ends = time.monotonic() + PATIENCE
        while not heard or name not in heard[-1]:
            said = self.hear(max(0.0, ends - time.monotonic()))
            assert said is not None, f"{name} was not said: {heard}"
            heard.append(said)
        return heard

    def forget(self) -> None:
        """Drop what was said so far."""
        while self.hear(0.0) is not None:
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def activated(folder: Path, *sockets: socket.socket, **environment: str) -> Running:
    """`serve` with *sockets* passed as systemd does."""
    descriptors = sorted(each.fileno() for each in sockets)
    program = (sys.executable, "-c", LAUNCHER, ",".join(map(str, descriptors)))
    return Running("serve", folder, program=program, environment=environment, descriptors=descriptors)
