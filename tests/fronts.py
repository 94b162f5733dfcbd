"""Real reverse proxies in front of a server, by the configurations of deploy/: own process, own ports, own folder."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Final

import httpx2

DEPLOY: Final = Path(__file__).parents[1] / "deploy"
NAME: Final = "sora.example.org"
SERVER: Final = "127.0.0.1:8000"
FAR: Final = "127.0.0.7"
"""The address of clients that are somewhere else than the proxy."""
PATIENCE: Final = 60.0


class Front:
    """A proxy for the host `localhost`, with TLS, in front of the server at *server* (host:port)."""

    program: str

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self.server = server
        self.plain, self.secure = free_ports(2)
        self.url = f"https://localhost:{self.secure}"
        folder.mkdir()
        command = [found(self.program) or self.program, *self._prepare()]
        self._process = subprocess.Popen(command, cwd=folder, env=os.environ | self._environment())
        self._wait_until_it_listens()
        self._trust = ssl.create_default_context(cafile=str(self._certificate()))

    def client(self, *, address: str = FAR, **options) -> httpx2.Client:
        """One that calls the proxy from *address*."""
        transport = httpx2.HTTPTransport(verify=self._trust, local_address=address, trust_env=False)
        return httpx2.Client(base_url=self.url, transport=transport, timeout=PATIENCE, **options)

    def peak(self) -> int:
        """The most memory that its processes have had, in bytes, all together."""
        return sum(map(peak_of, [self._process.pid, *children(self._process.pid)]))

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)

    def _prepare(self) -> list[str]:
        """Write the configuration; the program's arguments."""
        raise NotImplementedError

    def _certificate(self) -> Path:
        """What clients have to trust."""
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.folder)}

    def _wait_until_it_listens(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.secure), 5).close()
            except ConnectionRefusedError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return


class Nginx(Front):
    program = "nginx"

    def _prepare(self) -> list[str]:
        made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "certificate.pem")]
        subprocess.run(["openssl", "req", *made, *named, *files], check=True, capture_output=True)
        text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
        text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
        text = text.replace("listen 80;", f"listen 127.0.0.1:{self.plain};")
        text = text.replace("listen 443 ", f"listen 127.0.0.1:{self.secure} ")
        text = text.replace(f"/etc/letsencrypt/live/{NAME}/fullchain.pem", str(self.folder / "certificate.pem"))
        text = text.replace(f"/etc/letsencrypt/live/{NAME}/privkey.pem", str(self.folder / "key.pem"))
        (self.folder / "sora2api.conf").write_text(text.replace(SERVER, self.server))
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        main = self.folder / "main.conf"
        main.write_text(
            f"{user} daemon off; pid {self.folder}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {temporary} include {self.folder}/sora2api.conf; }}\n"
        )
        return ["-e", "stderr", "-p", str(self.folder), "-c", str(main)]

    def _certificate(self) -> Path:
        return self.folder / "certificate.pem"


class Caddy(Front):
    program = "caddy"

    def _prepare(self) -> list[str]:
        own = [
            "admin off",
            f"http_port {self.plain}",
            f"https_port {self.secure}",
            "default_bind 127.0.0.1",
            "local_certs",
            "skip_install_trust",
            f"storage file_system {self.folder}/kept",
        ]
        text = (DEPLOY / "Caddyfile").read_text(encoding="utf-8").replace(NAME, "localhost")
        file = self.folder / "Caddyfile"
        file.write_text("\n".join(["{", *own, "}", text.replace(SERVER, self.server)]))
        return ["run", "--adapter", "caddyfile", "--config", str(file)]

    def _certificate(self) -> Path:
        return self.folder / "kept/pki/authorities/local/root.crt"

    def _environment(self) -> dict[str, str]:
        return {name: str(self.folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}


FRONTS: Final = (Nginx, Caddy)


def found(program: str) -> str | None:
    """Where a program is: Debian puts servers where only root looks."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def peak_of(process: int) -> int:
    """The most memory that a process has had, in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
