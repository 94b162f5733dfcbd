"""The way through a proxy: the connector that aiohttp uses for one, and what a proxy's URL may be."""

import asyncio
import ssl as tls
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

from aiohttp.client_proto import ResponseHandler
from aiohttp_socks import ProxyConnector, ProxyType
from python_socks import ProxyError
from yarl import URL

from sora2api.errors import ConnectFault, InvalidValue


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
            if ssl is not None:
                transport = await self._start_tls(transport, protocol, host=host, ssl=ssl, timeout=timeout)
        except (OSError, EOFError, ProxyError) as exc:
            # python-socks has time-outs and failed connections as OSError; an end in mid-handshake is EOFError.
            raise ConnectFault("The engine could not be reached through the proxy; nothing was sent.") from exc
        return transport, protocol

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
