"""One account's calls to its engine: with its token, by its proxy, every failure one of our errors."""

import copy
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp
import orjson
from msgspec import Struct, structs
from multidict import CIMultiDictProxy
from yarl import URL

from sora2api import errors
from sora2api.egress.access import Access, Route
from sora2api.egress.forms import FormField, multipart
from sora2api.egress.guarded import CHUNK, REDIRECT, REDIRECTS, GuardedFetch, exact, next_url
from sora2api.egress.refusals import refusal
from sora2api.egress.sessions import Sessions
from sora2api.egress.trace import Meter, Trace, traced, untraced

LARGEST_REPLY: Final = 512 * 1024 * 1024
_VERSIONS: Final = 256
"""Of so many files that were begun it is remembered which they were."""


class Reply(Struct, frozen=True):
    """An engine's whole answer, whatever its status."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        """Decode the body; raise `EngineFault` where it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as exc:
            raise errors.EngineFault("The engine's answer cannot be read.") from exc


class Client:
    """Speaks to the engine at *base_url* for one account.

    The token goes to the base URL's own origin alone; where the engine rejects it and *access* then has another, the
    call is made once more with that. What lies elsewhere is fetched without it, through *fetch* and so from public
    addresses only; without one, not at all. *trace* is told of each call, under the id *account*.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        base_url: str,
        access: Access,
        auth_header: str = "Authorization",
        auth_scheme: str = "Bearer",
        fetch: GuardedFetch | None = None,
        trace: Trace = untraced,
        account: str = "",
    ) -> None:
        self._sessions = sessions
        self._base = _base(base_url)
        self._access = access
        self._auth_header = auth_header
        self._auth_scheme = auth_scheme
        self._fetch = fetch
        self._trace = trace
        self._account = account
        self._versions: dict[URL, str] = {}

    def with_auth(self, *, header: str, scheme: str) -> "Client":
        """Return the same client, sending its token in *header*, after the word *scheme* if that is not empty."""
        client = copy.copy(self)
        client._auth_header = header  # noqa: SLF001 - a copy of its own kind
        client._auth_scheme = scheme  # noqa: SLF001
        return client

    def route(self) -> Route:
        """What the next call goes through. Raises `ProxyFault` where nothing can be used now."""
        return self._access.route()

    @property
    def base_url(self) -> str:
        """The base URL, without a slash at its end."""
        return str(self._base).rstrip("/")

    def url(self, path: str) -> str:
        """Return the whole URL of a *path* below the base URL, as `request` takes it ("/videos")."""
        return self.base_url + path

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Sequence[FormField] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Reply:
        """Ask the engine and return its answer, whatever its status; no redirect is followed.

        *path* is below the base URL, percent-encoded by the caller. *timeout* is how many seconds may pass without a
        byte of the answer.

        Raises:
            ConnectFault: nothing was sent.
            NetworkFault: the connection broke after that.

        """
        url = URL(self.url(path), encoded=True).update_query(params or {})
        body = None if json is None else orjson.dumps(json)
        headers = dict(headers or {}) if body is None else {"Content-Type": "application/json", **(headers or {})}
        token = self._access.token
        reply = await self._ask(method, url, token, body=body, form=form, headers=headers, timeout=timeout)
        if await self._renewed(reply.status, token):
            token = self._access.token
            reply = await self._ask(method, url, token, body=body, form=form, headers=headers, timeout=timeout)
        return reply

    async def _ask(
        self,
        method: str,
        url: URL,
        token: str | None,
        *,
        body: bytes | None,
        form: Sequence[FormField] | None,
        headers: Mapping[str, str],
        timeout: float,
    ) -> Reply:
        async with AsyncExitStack() as stack:
            route = self._access.route()
            meter = stack.enter_context(self._called(method, url, route))
            session = stack.enter_context(self._sessions.use(route.url))
            data = body if form is None else await stack.enter_async_context(multipart(form))
            meter.sent = len(data) if isinstance(data, bytes) else 0 if data is None else data.size
            call = session.request(
                method,
                self._addressed(url, token),
                data=data,
                headers={**self._auth(token), **headers},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=timeout),
                allow_redirects=False,
            )
            meter.response = await stack.enter_async_context(call)
            return _without(token, await _read(meter.response))

    @contextmanager
    def _called(self, method: str, url: URL, route: Route) -> Iterator[Meter]:
        """Make the call in the context one that is traced, whose failures are ours, and whose proxy is judged by it."""
        try:
            with (
                traced(self._trace, account=self._account, proxy=route.name, method=method, url=url) as meter,
                engine_faults(),
            ):
                yield meter
        except errors.ProxyFault as error:
            self._access.blocked(route, error)
            raise

    async def _renewed(self, status: int, token: str | None) -> bool:
        """Whether an answer of *status* is to be asked for again, since there is another token now."""
        return status == 401 and token is not None and await self._access.renewed(token)

    async def stream(self, url: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield what *url* gives, from byte *offset* on. It is as an engine names it: absolute, or from the root.

        Raises:
            BadRequest: the server cannot begin at *offset*, or has another file there than when that was read.
            TaskLost: there is nothing there any more.
            EngineError: by the status, or because the URL leads to an address that is not public.

        """
        begun = self._absolute(url)
        version = self._versions.get(begun) if offset else None
        async with self._follow(begun, offset=offset, version=version) as response:
            _expect(response, offset=offset, version=version, own=self._is_own(response.url))
            if not offset:
                self._remember(begun, response)
            async for chunk in response.content.iter_chunked(CHUNK):
                yield chunk

    @asynccontextmanager
    async def _follow(self, url: URL, *, offset: int, version: str | None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open *url*, following redirects by hand, each by the rule of whose origin it is on."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if version is not None:
            headers["If-Range"] = version
        renewed = False
        for _ in range(REDIRECTS + 1):
            token = self._access.token if self._is_own(url) else None
            async with self._hop(url, token, headers=headers) as response:
                if response.status in REDIRECT:
                    url = next_url(url, response)
                elif renewed or not await self._renewed(response.status, token):
                    yield response
                    return
                else:
                    renewed = True
        raise errors.EngineFault("The engine's link redirects too often.")

    @asynccontextmanager
    async def _hop(
        self, url: URL, token: str | None, *, headers: dict[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        route = self._access.route()
        with self._called("GET", url, route) as meter:
            async with self._opened(url, token, route, headers=headers) as meter.response:
                yield meter.response

    @asynccontextmanager
    async def _opened(
        self, url: URL, token: str | None, route: Route, *, headers: dict[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._is_own(url):
            headers = {**self._auth(token), "Accept-Encoding": "identity", **headers}
            with self._sessions.use(route.url) as session:
                own = self._addressed(url, token)
                async with session.get(own, headers=headers, allow_redirects=False) as response:
                    yield response
        elif self._fetch is None:
            raise errors.EngineFault("The engine's link leads elsewhere, which is not allowed here.")
        else:
            async with self._fetch.hop(url, headers=headers, proxy=route.url, unresolved=True) as response:
                yield response

    def _remember(self, url: URL, response: aiohttp.ClientResponse) -> None:
        """Keep which version of a file was begun, so that no other is gone on with."""
        self._versions.pop(url, None)
        version = _version(response)
        if version is not None:
            self._versions[url] = version
            if len(self._versions) > _VERSIONS:
                del self._versions[next(iter(self._versions))]

    def _absolute(self, url: str) -> URL:
        try:
            return self._base.join(exact(url))
        except ValueError as exc:
            raise errors.EngineFault("The engine gave a link that is not a valid URL.") from exc

    def _is_own(self, url: URL) -> bool:
        return url.origin() == self._base.origin() if url.scheme in {"http", "https"} else False

    def _addressed(self, url: URL, token: str | None) -> URL:
        """Where a call goes: a token takes the place of the name and the password that a URL may have."""
        return url.with_user(None) if token and self._auth_header.lower() == "authorization" else url

    def _auth(self, token: str | None) -> dict[str, str]:
        return {self._auth_header: f"{self._auth_scheme} {token}".strip()} if token else {}


def _without(token: str | None, reply: Reply) -> Reply:
    """The answer; where it is a refusal that repeats the token, as some engines' do, without that."""
    if not token or reply.status < 400:
        return reply
    return structs.replace(reply, body=reply.body.replace(token.encode(), b"***"))


def _base(base_url: str) -> URL:
    try:
        url = URL(base_url)
    except ValueError as exc:
        raise errors.InvalidValue("The base URL is not a valid URL.", param="base_url") from exc
    if url.scheme not in {"http", "https"} or not url.host:
        raise errors.InvalidValue("The base URL must begin with http:// or https://.", param="base_url")
    return url


async def _read(response: aiohttp.ClientResponse) -> Reply:
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > LARGEST_REPLY:
            raise errors.NetworkFault("The engine's answer is too long.")
    return Reply(response.status, response.headers, bytes(body))


def _version(response: aiohttp.ClientResponse) -> str | None:
    """What tells a file from another under the same URL (RFC 9110, 13.1.5: no weak tag)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _expect(response: aiohttp.ClientResponse, *, offset: int, version: str | None, own: bool) -> None:
    """Raise unless *response* brings the bytes from *offset* on, of the *version* that was begun."""
    status = response.status
    if status == 416 or (offset and status == 200):
        raise errors.BadRequest("The engine cannot begin in the middle of a file.")
    part = response.headers.get("Content-Range")
    if status == 206 and part is not None and not part.startswith(f"bytes {offset}-"):
        raise errors.BadRequest("The engine answers with another part of the file.")
    if status == 206 and version is not None and _version(response) not in (None, version):
        raise errors.BadRequest("The engine has another file there now.")
    if status in {200, 206}:
        return
    if status in {404, 410}:
        raise errors.TaskLost("The engine no longer has the file.")
    if not own and status in {401, 402, 403}:
        # No token was sent, so none was rejected: the link has expired, or was never open.
        raise errors.EngineFault("The engine gave a link that does not open.")
    raise refusal(max(status, 400), response.headers)


@contextmanager
def engine_faults() -> Iterator[None]:
    """Make every way in which a call can fail one of our errors; the one place where that is done."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as exc:
        raise errors.ConnectFault from exc
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise errors.NetworkFault from exc
    except errors.LinkRefused as exc:
        raise errors.EngineFault("The engine gave a link to an address that is not public.") from exc
    except errors.LinkNotFetched as exc:
        raise errors.ConnectFault("The engine gave a link that cannot be reached.") from exc
