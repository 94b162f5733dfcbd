"""Whom a request comes from: what the connection says, and what trusted proxies say of it."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_RELAYED: Final = ("forwarded", "x-real-ip", "via")
_RELAYED_PREFIX: Final = "x-forwarded-"
_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*')


class Caller(msgspec.Struct, frozen=True):
    """The client of a request: its address, and the scheme and host (with port) that it called.

    `local`: on this machine, and by nothing that relays requests; the defaults of a first start want that.
    """

    address: str
    scheme: str
    host: str
    local: bool


class _Hop(msgspec.Struct, frozen=True):
    """What one proxy says of the request it was given."""

    address: str = ""
    scheme: str = ""
    host: str = ""


def caller(request: web.BaseRequest, trusted: Sequence[Network]) -> Caller:
    """Who calls. Forwarding headers count only when the connection comes from a *trusted* proxy.

    The client is the right-most hop that is not a trusted proxy; scheme and host are as the outermost trusted proxy saw
    them. X-Forwarded-* go before Forwarded (RFC 7239), which most proxies hand on unread.
    """
    peer = request.remote or ""
    host = _asked_host(request)
    local = _is_local(request, peer)
    if not among(peer, trusted):
        return Caller(peer, request.scheme, host, local)
    said = _x_forwarded(request) or _forwarded(request)
    address, hop = _client(peer, said, trusted)
    scheme = hop.scheme if hop.scheme in ("http", "https") else request.scheme
    return Caller(address, scheme, hop.host if _HOST.fullmatch(hop.host) else host, local)


def public_base(caller: Caller, public_url: str) -> str:
    """What absolute links begin with, without a slash at the end: the setting, else as the caller called."""
    return public_url.rstrip("/") or f"{caller.scheme}://{caller.host}"


@lru_cache(maxsize=1024)
def networks(named: tuple[str, ...]) -> tuple[Network, ...]:
    """Networks by their names, as the setting `trusted_proxies` has them, or an API key's limits."""
    return tuple(ip_network(network, strict=False) for network in named)


def is_loopback(host: str) -> bool:
    """Whether *host*, an address or name without port or brackets, is this machine's own."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_loopback_origin(origin: str | None) -> bool:
    """Whether an Origin header names a page of this machine."""
    try:
        url = URL(origin or "")
    except ValueError:
        return False
    return url.scheme in ("http", "https") and is_loopback(url.host or "")


@lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def among(text: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the *networks*."""
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _asked_host(request: web.BaseRequest) -> str:
    """The Host header, else (none, or not a host) the address that the connection was made to."""
    given = request.headers.get(hdrs.HOST, "")
    if _HOST.fullmatch(given):
        return given
    socket = request.get_extra_info("sockname")
    if not isinstance(socket, tuple):
        return "localhost"
    return f"[{socket[0]}]:{socket[1]}" if ":" in socket[0] else f"{socket[0]}:{socket[1]}"


def _is_local(request: web.BaseRequest, peer: str) -> bool:
    address = _address(peer)
    if address is None or not address.is_loopback or request.version != HttpVersion11:
        return False
    if any(name.lower() in _RELAYED or name.lower().startswith(_RELAYED_PREFIX) for name in request.headers):
        return False
    hosts = request.headers.getall(hdrs.HOST, [])
    return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None and is_loopback(_name(hosts[0]))


def _name(host: str) -> str:
    """*host* without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def _client(peer: str, said: Sequence[_Hop], trusted: Sequence[Network]) -> tuple[str, _Hop]:
    """The client's address, and what the outermost trusted proxy said of it."""
    address, outermost = peer, _Hop()
    for hop in reversed(said):
        if not among(address, trusted):
            break
        outermost = _Hop(hop.address, hop.scheme or outermost.scheme, hop.host or outermost.host)
        named = _address(hop.address)
        if named is None:
            break
        address = str(named)
    return address, outermost


def _x_forwarded(request: web.BaseRequest) -> list[_Hop]:
    """A hop for each address; a scheme or host given once was said by the outermost proxy that sets it."""
    addresses, schemes, hosts = (_listed(request, f"X-Forwarded-{what}") for what in ("For", "Proto", "Host"))
    count = max(len(addresses), 1 if schemes or hosts else 0)
    return [
        _Hop(_name(_nth(addresses, back)), _nth(schemes, back).lower(), _nth(hosts, back))
        for back in range(count, 0, -1)
    ]


def _nth(values: Sequence[str], back: int) -> str:
    """The *back*-th of *values* from the right, or the first of fewer."""
    return values[-min(back, len(values))] if values else ""


def _listed(request: web.BaseRequest, header: str) -> list[str]:
    return [part.strip() for line in request.headers.getall(header, []) for part in line.split(",") if part.strip()]


def _forwarded(request: web.BaseRequest) -> list[_Hop]:
    """The hops of Forwarded headers; a malformed one ends the list on its left, where it is less to be believed."""
    hops: list[_Hop] = []
    for element in reversed(",".join(request.headers.getall("Forwarded", [])).split(",")):
        pairs = [_PAIR.fullmatch(part) for part in element.split(";") if part.strip()]
        said = {pair[1].lower(): pair[2].strip('"') for pair in pairs if pair is not None}
        if len(said) != len(pairs) or not said:
            break
        hops.insert(0, _Hop(_name(said.get("for", "")), said.get("proto", "").lower(), said.get("host", "")))
    return hops
