"""The way through a proxy: the connector that aiohttp uses for one, and what a proxy's URL may be."""

import asyncio
import socket
import ssl as tls
import time
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

from aiohttp.client_proto import ResponseHandler
from aiohttp_socks import ProxyConnector, ProxyType
from python_socks import ProxyError
from yarl import URL

from sora2api.errors import ConnectFault, InvalidValue, ProxyFault


class _Scheme(NamedTuple):
    type: ProxyType
    port: int
    remote_names: bool


SCHEMES: Final = {
    "http": _Scheme(ProxyType.HTTP, 80, True),
    "https": _Scheme(ProxyType.HTTP, 443, True),
    "socks4": _Scheme(ProxyType.SOCKS4, 1080, False),
    "socks5": _Scheme(ProxyType.SOCKS5, 1080, False),
    "socks5h": _Scheme(ProxyType.SOCKS5, 1080, True),
}
"""What a proxy's URL may begin with; `socks5` resolves names here, `socks5h` and HTTP proxies do it themselves."""

_NO_ENGINE: Final = {
    ProxyType.HTTP: frozenset({404, *range(500, 600)}),
    ProxyType.SOCKS4: frozenset({91}),
    ProxyType.SOCKS5: frozenset({1, 3, 4, 5, 6}),
}
"""Answers of a proxy that has let us in and cannot reach what is behind it (RFC 1928, section 6, for SOCKS5)."""


def shown(proxy: str) -> str:
    """The URL *proxy* as logs may have it: without credentials. Raises `InvalidValue` where it is none."""
    url, scheme = _parse(proxy)
    return f"{url.scheme}://{url.raw_host}:{url.explicit_port or scheme.port}"


class TunnelConnector(ProxyConnector):
    """Opens each connection through the proxy. Whatever fails here fails before a request is sent.

    *pins* maps a host name to the address that is asked of the proxy in its place; TLS still speaks of the name.
    """

    def __init__(self, *, pins: Mapping[str, str] | None = None, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._pins = pins or {}

    async def _connect_via_proxy(
        self, host: str, port: int, ssl: tls.SSLContext | None = None, timeout: float | None = None
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        try:
            transport, protocol = await super()._connect_via_proxy(self._pins.get(host, host), port, timeout=timeout)
        except socket.gaierror as exc:
            raise ConnectFault("The engine's host is not known; nothing was sent.") from exc
        except (OSError, EOFError, ProxyError) as exc:
            # python-socks has time-outs and failed connections as OSError; an end in mid-handshake is EOFError.
            if getattr(exc, "error_code", None) in _NO_ENGINE[self._proxy_type]:
                raise ConnectFault("The engine could not be reached through the proxy; nothing was sent.") from exc
            raise ProxyFault from exc
        if ssl is not None:
            try:
                transport = await self._start_tls(transport, protocol, host=host, ssl=ssl, timeout=timeout)
            except OSError as exc:
                raise ConnectFault("The engine could not be reached through the proxy; nothing was sent.") from exc
        return transport, protocol

    async def reach(self, host: str, port: int, *, timeout: float) -> None:
        """Open a way to *host* and *port*, and close it. Raises `ProxyFault`, or `ConnectFault` as a call would."""
        transport, _ = await self._connect_via_proxy(host, port, timeout=timeout)
        transport.close()

    async def greet(self, *, timeout: float) -> None:
        """Be let in by the proxy, as far as it does that for a client which wants nothing. Raises `ProxyFault`."""
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(self._proxy_host, self._proxy_port, ssl=self._proxy_ssl)
                try:
                    if self._proxy_type == ProxyType.SOCKS5:
                        await self._log_in(reader, writer)
                finally:
                    writer.close()
        except (OSError, EOFError) as exc:
            raise ProxyFault from exc

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As RFC 1928, section 3, and RFC 1929 have it."""
        name, password = (self._proxy_username or "").encode(), (self._proxy_password or "").encode()
        writer.write(b"\x05\x02\x00\x02" if name else b"\x05\x01\x00")
        version, method = await reader.readexactly(2)
        if version != 5 or method not in {0, 2}:
            raise ProxyFault
        if method == 2:
            writer.write(bytes((1, len(name))) + name + bytes((len(password),)) + password)
            if (await reader.readexactly(2))[1] != 0:
                raise ProxyFault

    async def _start_tls(
        self,
        transport: asyncio.Transport,
        protocol: ResponseHandler,
        *,
        host: str,
        ssl: tls.SSLContext,
        timeout: float | None,
    ) -> asyncio.Transport:
        try:
            secured = await self._loop.start_tls(
                transport, protocol, ssl, server_hostname=host.rstrip("."), ssl_handshake_timeout=timeout
            )
        except BaseException:
            transport.close()
            raise
        if secured is None:
            raise ConnectionResetError("the connection closed during the TLS handshake")
        protocol.connection_made(secured)
        return secured


def tunnel(proxy: str, *, pins: Mapping[str, str] | None = None, **options: object) -> TunnelConnector:
    """Return a connector through *proxy*; raise `InvalidValue` where that is no proxy's URL."""
    url, scheme = _parse(proxy)
    return TunnelConnector(
        host=url.host,
        port=url.explicit_port or scheme.port,
        proxy_type=scheme.type,
        username=unquote(url.raw_user or ""),
        password=unquote(url.raw_password or ""),
        rdns=scheme.remote_names,
        proxy_ssl=tls.create_default_context() if url.scheme == "https" else None,
        pins=pins,
        **options,
    )


async def probe(proxy: str, *, towards: tuple[str, int] | None, timeout: float) -> float:
    """How many seconds *proxy* takes to open a way *towards* a host and port, or to be greeted where that is None.

    A proxy that lets us in is well, though it may say that there is nobody behind it. Raises `ProxyFault`.
    """
    began = time.monotonic()
    connector = tunnel(proxy)
    try:
        if towards is None:
            await connector.greet(timeout=timeout)
        else:
            await connector.reach(*towards, timeout=timeout)
    except ProxyFault:
        raise
    except ConnectFault:
        return time.monotonic() - began
    finally:
        await connector.close()
    return time.monotonic() - began


def resolves_names(proxy: str) -> bool:
    """Whether *proxy* is told names and looks them up itself."""
    return _parse(proxy)[1].remote_names


def _parse(proxy: str) -> tuple[URL, _Scheme]:
    try:
        url = URL(proxy)
        scheme = SCHEMES[url.scheme]
    except (ValueError, KeyError) as exc:
        message = f"A proxy is given as a URL that begins with {', '.join(f'{name}://' for name in SCHEMES)}."
        raise InvalidValue(message, param="proxy") from exc
    if not url.host:
        raise InvalidValue("The proxy's URL names no host.", param="proxy")
    return url, scheme
