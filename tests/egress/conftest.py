"""Real servers and real proxies on loopback."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pproxy
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sora2api.egress import Sessions


class Target:
    """A server that notes what it is asked, and answers as its *handler* says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[web.Request] = []

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _hello(request: web.Request) -> web.Response:
    return web.json_response({"path": request.rel_url.raw_path, "host": request.host})


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Target]]]:
    async with AsyncExitStack() as stack:

        async def started(handler: Handler = _hello) -> Target:
            target = Target("")

            async def note(request: web.Request) -> web.StreamResponse:
                target.requests.append(request)
                return await handler(request)

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", note)
            runner = web.AppRunner(app, shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            target.url = f"http://127.0.0.1:{site.port}"
            return target

        yield started


@pytest.fixture
async def listen() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Run a bare TCP server, and return its port."""
    async with AsyncExitStack() as stack:

        async def started(handler, **options) -> int:
            async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await handler(reader, writer)
                writer.close()

            server = await asyncio.start_server(closing, "127.0.0.1", 0, **options)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
            return server.sockets[0].getsockname()[1]

        yield started


class Far(pproxy.server.ProxyDirect):
    """The way out of a proxy that alone knows the names which end in `.test`: they are all on this machine."""

    async def open_connection(self, host, port, local_addr, lbind, **options):
        here = "127.0.0.1" if host.endswith(".test") else host
        return await super().open_connection(here, port, local_addr, lbind, **options)


class Proxy:
    """A real proxy, and what it was asked to connect to."""

    def __init__(self, port: int, asked: list[str]) -> None:
        self.port = port
        self.asked = asked


@pytest.fixture
async def start_proxy() -> AsyncIterator[Callable[..., Awaitable[Proxy]]]:
    """Run pproxy with a *protocol* and credentials ("user:password", or none)."""
    async with AsyncExitStack() as stack:

        async def started(protocol: str, credentials: str = "", *, tls: ssl.SSLContext | None = None) -> Proxy:
            asked: list[str] = []
            uri = f"{protocol}://127.0.0.1:0/" + (f"#{credentials}" if credentials else "")
            # Without an authtime it would trust an address for a month once it has shown the credentials.
            options = {"rserver": [Far()], "verbose": asked.append, "authtime": -1}
            made = pproxy.Server(uri)
            made.sslserver = tls
            server = await made.start_server(options)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
            return Proxy(server.sockets[0].getsockname()[1], asked)

        yield started


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    sessions = Sessions()
    yield sessions
    await sessions.close()


@pytest.fixture
def certified(tmp_path, monkeypatch) -> ssl.SSLContext:
    """For a server on 127.0.0.1, whose certificate is believed here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context
