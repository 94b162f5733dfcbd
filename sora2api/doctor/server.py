"""The server's address: who listens there, and how our own server says that it is."""

import asyncio
import errno
import socket
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from sora2api.doctor.aside import aside
from sora2api.doctor.finding import Case, Finding, unseen, warning, well, wrong

_PATIENCE: Final = aiohttp.ClientTimeout(total=8.0)
_LARGEST: Final = 1024 * 1024
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_PORT: Final = "Stop it, or choose another port: `sora2api settings set port NUMBER`."


async def look(case: Case) -> list[Finding]:
    address = _address(case)
    if address is None:
        return [well("port", "The server takes a free one at its start.")]
    ours = await aside(served, case.folder)
    alive, trouble = await _asked(address / "healthz")
    if alive == {"status": "ok"}:
        if ours or case.url:
            return [well("port", f"The server answers at {address}."), await _ready(address), await _public(case)]
        said = f"{address} is taken by the server of another data directory."
        return [wrong("port", said, _PORT)]
    if trouble is None:
        return [wrong("port", f"{address} is taken by another program.", _PORT)]
    if case.url is not None:
        advice = "See whether the server runs, and that the address is right: `systemctl status sora2api`, its log."
        return [wrong("port", f"No server answers at {address}: {trouble}.", advice)]
    return [await aside(_free, case, ours=ours), await _public(case)]


def _address(case: Case) -> URL | None:
    """Where the server is to be asked; None: nobody can know."""
    if case.url is not None:
        return URL(case.url).origin()
    host, port = case.settings.host, case.settings.port
    return URL.build(scheme="http", host=_ANYWHERE.get(host, host), port=port) if port else None


def served(folder: Path) -> bool:
    """Whether a server holds the lock of *folder*, as the system tells (proc(5), /proc/locks)."""
    try:
        inode = (folder / "serve.lock").stat().st_ino
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    fields = [line.split() for line in locks if " FLOCK " in line and " WRITE " in line]
    return any(field[-3].rpartition(":")[2] == str(inode) for field in fields)


async def _asked(url: URL) -> tuple[Any, str | None]:
    """What the JSON there says, None where it is none; and why there is no answer at all."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE) as session,
            session.get(url, allow_redirects=False) as reply,
        ):
            body = await reply.content.read(_LARGEST)
    except TimeoutError:
        return None, None if await _listens(url) else "it does not answer in time"
    except aiohttp.ClientConnectorError as error:
        return None, error.strerror or str(error.os_error)
    except aiohttp.ClientError:  # somebody is there who does not speak HTTP
        return None, None
    try:
        return orjson.loads(body), None
    except orjson.JSONDecodeError:
        return None, None


async def _listens(url: URL) -> bool:
    """Whether somebody takes connections there."""
    try:
        async with asyncio.timeout(2):
            _reader, writer = await asyncio.open_connection(url.host, url.port)
    except OSError:  # a time-out too
        return False
    writer.close()
    return True


async def _ready(address: URL) -> Finding:
    said, trouble = await _asked(address / "readyz")
    if not isinstance(said, dict):
        return wrong("readiness", f"/readyz gives no answer: {trouble or 'it is no JSON'}.", "See the server's log.")
    if said.get("status") == "ready":
        return well("readiness", "The server takes jobs.")
    reasons = " ".join(said.get("reasons", ())) or "it does not say why to this address (`monitor_allow`)."
    advice = "See the other lines, and the server's log: `sora2api log tail`."
    return wrong("readiness", f"The server takes no jobs: {reasons}", advice)


async def _public(case: Case) -> Finding:
    """Whether links lead to a server of ours, as far as that can be seen from here."""
    given = case.settings.public_url
    if not given:
        return well("public URL", "Links begin as each request did.")
    advice = "`sora2api settings set public_url URL` with what clients reach the server by, and nothing after the host."
    try:
        url = URL(given)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        return wrong("public URL", f"public_url is {given!r}, which is no http or https URL.", advice)
    if not await aside(served, case.folder):
        return unseen("public URL", "It is tried while the server runs.")
    alive, trouble = await _asked(url.origin() / "healthz")
    if alive != {"status": "ok"}:
        why = trouble or "somebody else answers"
        return warning("public URL", f"{url.origin()} does not lead from here to the server: {why}.", advice)
    return well("public URL", f"{url.origin()} leads to the server.")


def _free(case: Case, *, ours: bool) -> Finding:
    """Whether the port could be had, now that nobody answers there."""
    host, port = case.settings.host, case.settings.port
    if ours:
        advice = "Name where it listens: --url URL."
        return warning("port", f"A server runs on {case.folder}, but not at port {port}.", advice)
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            tried.bind((host, port))
            return well("port", f"Nobody listens at {host}:{port}; the server can. It does not run now.")
    except PermissionError:
        advice = "Choose one from 1024 on, or grant CAP_NET_BIND_SERVICE."
        return wrong("port", f"This user may not listen at port {port}.", advice)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return wrong("port", f"{host}:{port} is taken by another program.", _PORT)
        advice = "`sora2api settings set host ADDRESS` with an address of this machine."
        return wrong("port", f"The server cannot listen at {host}:{port}: {error.strerror}.", advice)
