"""The guarded fetch: of URLs that a client or an engine gives, only from addresses that are public; and posts to such.

The name is resolved here, every address it has is checked, and the connection is made to one of those very addresses,
so that a name which resolves differently a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from yarl import URL

from sora2api.egress.access import Route
from sora2api.egress.proxies import resolves_names, tunnel
from sora2api.errors import ConnectFault, LinkNotFetched, LinkRefused, TooLarge

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REDIRECTS: Final = 5
REDIRECT: Final = frozenset({301, 302, 303, 307, 308})
CHUNK: Final = 256 * 1024
_QUOTED: Final = re.compile(r"[!-~]+")
# All that is public in IPv6 is in 2000::/3, so forms that embed an IPv4 address (mapped, compatible, NAT64) are not;
# of what is in there, Teredo (part of the IETF's own block) and 6to4 embed one too.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC: Final = (
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("3fff::/20"),
    ipaddress.IPv4Network("192.88.99.0/24"),
)

_NEARBY: Final = (".localhost", ".localdomain", ".local", ".internal", ".intranet", ".lan", ".corp", ".home", ".arpa")
"""How names end that are of no use in the open internet (RFC 6761, RFC 6762, RFC 8375, and custom)."""


def is_public(address: Address) -> bool:
    """Tell whether *address* is one of the open internet, and of nothing nearer."""
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class Fetched(Struct, frozen=True):
    """What was fetched: its size in bytes, where it came from in the end, and the type that the server claims."""

    size: int
    url: str
    content_type: str


class GuardedFetch:
    """Fetches from public addresses, and from the networks in *allow*, by what *route* says at that moment."""

    def __init__(self, *, allow: Sequence[Network] = (), route: Callable[[], Route] = Route) -> None:
        self._allow = tuple(allow)
        self._route = route

    async def fetch(
        self, url: str, target: Path, *, limit: int, timeout: float = 60, arrived: Callable[[int], None] | None = None
    ) -> Fetched:
        """Write what *url* gives to *target*: at most *limit* bytes, in at most *timeout* seconds.

        Where that fails, there is no *target* afterwards. *arrived* is told how long each piece is, and may refuse it.

        Raises:
            LinkRefused: it is no http(s) URL, or leads to an address that is not public.
            LinkNotFetched: it cannot be fetched.
            TooLarge: it has more than *limit* bytes.

        """
        with _link_errors():
            async with asyncio.timeout(timeout):
                async with self._follow(_parse(url)) as response:
                    if response.status != 200:
                        raise LinkNotFetched(f"The link could not be fetched: it answers {response.status}.")
                    size = await _keep(response, target, limit=limit, arrived=arrived)
        return Fetched(size, str(response.url), response.content_type)

    async def check(self, url: str, *, timeout: float = 10) -> None:
        """Raise what `fetch` and `post` would, as far as it is known without asking *url* itself."""
        with _link_errors():
            async with asyncio.timeout(timeout):
                await self._addresses(_parse(url))

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str], timeout: float = 15) -> int:
        """Send *body* to *url*, following no redirect; the status of the answer, whose body is not read.

        Raises:
            LinkRefused: it is no http(s) URL, or leads to an address that is not public.
            LinkNotFetched: there is no answer within *timeout* seconds.

        """
        with _link_errors():
            async with (
                asyncio.timeout(timeout),
                self.hop(_parse(url), method="POST", body=body, headers=headers, proxy=self._route().url) as response,
            ):
                return response.status

    @asynccontextmanager
    async def hop(
        self,
        url: URL,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        unresolved: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask *url* once, by *proxy*, following no redirect.

        A refused address is `LinkRefused`, an unknown name `LinkNotFetched`; what aiohttp raises is left to the caller.
        *unresolved*: a name that is not plainly a private one is left to the proxy, if that looks names up itself.
        """
        if unresolved and proxy is not None and resolves_names(proxy):
            self._check_name(url)
            connector: aiohttp.TCPConnector = tunnel(proxy, force_close=True)
        else:
            connector = _pinned(url, await self._addresses(url), proxy=proxy)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "sora2api", "Accept-Encoding": "identity"},
            ) as session,
            session.request(method, url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            yield response

    @asynccontextmanager
    async def _follow(self, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        for _ in range(REDIRECTS + 1):
            async with self.hop(url, proxy=self._route().url) as response:
                if response.status not in REDIRECT:
                    yield response
                    return
                url = next_url(url, response)
        raise LinkNotFetched("The link redirects too often.")

    async def _addresses(self, url: URL) -> list[Address]:
        """Resolve the host of *url*, however it is spelled, and raise `LinkRefused` if any address is not public."""
        host = _host(url)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, url.port, type=socket.SOCK_STREAM)
            addresses = [ipaddress.ip_address(info[4][0]) for info in found]
        except (OSError, ValueError) as exc:
            raise LinkNotFetched("The link's host is not known.") from exc
        if not all(self._may_reach(address) for address in addresses):
            raise LinkRefused
        return addresses

    def _check_name(self, url: URL) -> None:
        """Raise `LinkRefused` if the host of *url* is an address that is not public, or a name of nearby things."""
        host = _host(url).rstrip(".").lower()
        address = _literal(host)
        if address is not None and self._may_reach(address):
            return
        if address is not None or "." not in host or host.endswith(_NEARBY):
            raise LinkRefused

    def _may_reach(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self._allow)


def _host(url: URL) -> str:
    if url.scheme not in {"http", "https"} or not url.raw_host:
        raise LinkRefused("Only links that begin with http:// or https:// are fetched.")
    return url.raw_host


def _literal(host: str) -> Address | None:
    """The address that *host* spells, in whatever way a resolver would understand it without asking anybody."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        try:
            return ipaddress.ip_address(host)
        except ValueError:
            return None


def exact(url: str) -> URL:
    """Parse *url* and keep its quoting, since signed links break otherwise; quote it where it is not quoted at all."""
    return URL(url, encoded=_QUOTED.fullmatch(url) is not None)


def next_url(url: URL, response: aiohttp.ClientResponse) -> URL:
    """Return where a redirect from *url* leads."""
    try:
        return url.join(exact(response.headers["Location"]))
    except (KeyError, ValueError) as exc:
        raise LinkNotFetched("The link redirects to nowhere.") from exc


class _Pins(AbstractResolver):
    """Answers every lookup with the addresses that were checked."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held open."""


def _pinned(url: URL, addresses: Sequence[Address], *, proxy: str | None) -> aiohttp.TCPConnector:
    if proxy is None:
        return aiohttp.TCPConnector(resolver=_Pins(addresses), use_dns_cache=False, force_close=True)
    # A proxy is given one address only, an IPv4 one where there is one: many proxies speak no other.
    chosen = min(addresses, key=lambda address: address.version)
    return tunnel(proxy, pins={url.raw_host or "": str(chosen)}, force_close=True)


def _parse(url: str) -> URL:
    try:
        return exact(url)
    except ValueError as exc:
        raise LinkNotFetched("The link is not a valid URL.") from exc


async def _keep(
    response: aiohttp.ClientResponse, target: Path, *, limit: int, arrived: Callable[[int], None] | None
) -> int:
    try:
        return await _write(response, target, limit=limit, arrived=arrived)
    except BaseException:
        await asyncio.to_thread(target.unlink, missing_ok=True)
        raise


async def _write(
    response: aiohttp.ClientResponse, target: Path, *, limit: int, arrived: Callable[[int], None] | None
) -> int:
    if (response.content_length or 0) > limit:
        raise TooLarge(f"The file behind the link is larger than {limit} bytes.")
    size = 0
    with await asyncio.to_thread(target.open, "wb") as file:
        async for chunk in response.content.iter_chunked(CHUNK):
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"The file behind the link is larger than {limit} bytes.")
            if arrived is not None:
                arrived(len(chunk))
            await asyncio.to_thread(file.write, chunk)
    return size


@contextmanager
def _link_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise LinkNotFetched("The link could not be fetched: it is too slow.") from exc
    except (aiohttp.ClientError, ConnectFault) as exc:
        raise LinkNotFetched from exc
