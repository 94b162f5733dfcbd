"""One account's calls to its engine: with its token, by its proxy, every failure one of our errors."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp
import orjson
from msgspec import Struct
from multidict import CIMultiDictProxy
from yarl import URL

from sora2api import errors
from sora2api.egress.forms import FormField, multipart
from sora2api.egress.guarded import CHUNK, REDIRECT, REDIRECTS, GuardedFetch, exact, next_url
from sora2api.egress.refusals import refusal
from sora2api.egress.sessions import Sessions

LARGEST_REPLY: Final = 512 * 1024 * 1024


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

    The token goes to the base URL's own origin alone. What lies elsewhere is fetched without it, through *fetch* and so
    from public addresses only; without one, not at all.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        base_url: str,
        token: str | None,
        proxy: str | None = None,
        auth_header: str = "Authorization",
        auth_scheme: str = "Bearer",
        fetch: GuardedFetch | None = None,
    ) -> None:
        self._sessions = sessions
        self._base = _base(base_url)
        self._token = token
        self._proxy = proxy
        self._auth_header = auth_header
        self._auth_scheme = auth_scheme
        self._fetch = fetch

    def with_auth(self, *, header: str, scheme: str) -> "Client":
        """Return the same client, sending its token in *header*, after the word *scheme* if that is not empty."""
        return Client(
            self._sessions,
            base_url=self.base_url,
            token=self._token,
            proxy=self._proxy,
            auth_header=header,
            auth_scheme=scheme,
            fetch=self._fetch,
        )

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
        options: dict[str, Any] = {
            "headers": {**self._auth(), **(headers or {})},
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=timeout),
            "allow_redirects": False,
        }
        with self._sessions.use(self._proxy) as session:
            if form is None:
                return await _exchange(session.request(method, url, json=json, **options))
            async with multipart(form) as body:
                return await _exchange(session.request(method, url, data=body, **options))

    async def stream(self, url: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield what *url* gives, from byte *offset* on. It is as an engine names it: absolute, or from the root.

        Raises:
            BadRequest: the server cannot begin at *offset*.
            TaskLost: there is nothing there any more.
            EngineError: by the status, or because the URL leads to an address that is not public.

        """
        with engine_faults():
            async with self._follow(self._absolute(url), offset=offset) as response:
                _expect(response, offset=offset, own=self._is_own(response.url))
                async for chunk in response.content.iter_chunked(CHUNK):
                    yield chunk

    @asynccontextmanager
    async def _follow(self, url: URL, *, offset: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open *url*, following redirects by hand, each by the rule of whose origin it is on."""
        for _ in range(REDIRECTS + 1):
            async with self._hop(url, headers={"Range": f"bytes={offset}-"} if offset else {}) as response:
                if response.status not in REDIRECT:
                    yield response
                    return
                url = next_url(url, response)
        raise errors.EngineFault("The engine's link redirects too often.")

    def _hop(self, url: URL, *, headers: dict[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._is_own(url):
            return self._own_hop(url, headers=headers)
        if self._fetch is None:
            raise errors.EngineFault("The engine's link leads elsewhere, which is not allowed here.")
        return self._fetch.hop(url, headers=headers, proxy=self._proxy)

    @asynccontextmanager
    async def _own_hop(self, url: URL, *, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {**self._auth(), "Accept-Encoding": "identity", **headers}
        with self._sessions.use(self._proxy) as session:
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                yield response

    def _absolute(self, url: str) -> URL:
        try:
            return self._base.join(exact(url))
        except ValueError as exc:
            raise errors.EngineFault("The engine gave a link that is not a valid URL.") from exc

    def _is_own(self, url: URL) -> bool:
        return url.origin() == self._base.origin() if url.scheme in {"http", "https"} else False

    def _auth(self) -> dict[str, str]:
        if not self._token:
            return {}
        return {self._auth_header: f"{self._auth_scheme} {self._token}".strip()}


def _base(base_url: str) -> URL:
    try:
        url = URL(base_url)
    except ValueError as exc:
        raise errors.InvalidValue("The base URL is not a valid URL.", param="base_url") from exc
    if url.scheme not in {"http", "https"} or not url.host:
        raise errors.InvalidValue("The base URL must begin with http:// or https://.", param="base_url")
    return url


async def _exchange(call: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Reply:
    with engine_faults():
        async with call as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK):
                body += chunk
                if len(body) > LARGEST_REPLY:
                    raise errors.NetworkFault("The engine's answer is too long.")
            return Reply(response.status, response.headers, bytes(body))


def _expect(response: aiohttp.ClientResponse, *, offset: int, own: bool) -> None:
    """Raise unless *response* brings the bytes from *offset* on."""
    status = response.status
    if status == 416 or (offset and status == 200):
        raise errors.BadRequest("The engine cannot begin in the middle of a file.")
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
