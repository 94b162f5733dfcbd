"""Servers for files of promises, and both of OpenAI's Python clients at it, asked in one way."""

import asyncio
import base64
import functools
import inspect
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, OpenAI
from running import Running
from ways.films import clip_of, photo

KEY = "han1234"
SITE = "https://app.example.org"
PHOTO = photo((160, 96), ("#d8d2c4", "#3d6b35", "#c9412b"))
SMALL = {"model": "sora-video", "size": "160x96", "seconds": "1"}


class Ask:
    """An SDK's client, sync or async: what a call on it gives, whichever it is."""

    def __init__(self, client: OpenAI | AsyncOpenAI, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def __call__(self, call: Callable[[Any], Any]) -> Any:
        return self._runner.run(_awaited(call(self.client)))

    def all(self, call: Callable[[Any], Any]) -> list[Any]:
        """All items of a list over its pages, or all events of a stream."""
        return self._runner.run(_all(call(self.client)))

    def using(self, **options: Any) -> "Ask":
        return Ask(self.client.with_options(**options), self._runner)

    def made(self, prompt: str = "a slow cat", **fields: Any) -> Any:
        """A small video that is completed."""
        asked = {"prompt": prompt, "poll_interval_ms": 30} | SMALL | fields
        video = self(lambda client: client.videos.create_and_poll(**asked))
        assert video.status == "completed", video.error
        return video


async def _awaited(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given


async def _all(given: Any) -> list[Any]:
    if not isinstance(given, AsyncIterable):
        given = await _awaited(given)
    if isinstance(given, AsyncIterable):
        return [item async for item in given]
    return list(given)


@contextmanager
def asking(server: Running, how: str, *, key: str = KEY, **options: Any) -> Iterator[Ask]:
    """Ask a *server*, sync or async as *how* says."""
    given = {"base_url": f"{server.url}/v1", "api_key": key} | options
    with asyncio.Runner() as runner:
        if how == "sync":
            with OpenAI(**given) as client:
                yield Ask(client, runner)
        else:
            client = AsyncOpenAI(**given)
            yield Ask(client, runner)
            runner.run(client.close())


@pytest.fixture(scope="session")
def ask_of() -> Callable[..., Any]:
    return asking


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    """What the file's server is told; files that need another say so."""
    return ("--sandbox-delay", "0", "--cors-origins", SITE)


@pytest.fixture(scope="session")
def servers(tmp_path_factory) -> Iterator[Callable[[tuple[str, ...]], Running]]:
    """The server with certain options, one for all files that want the same."""
    with ExitStack() as stack:

        @functools.cache
        def serving(options: tuple[str, ...]) -> Running:
            return stack.enter_context(Running("serve", tmp_path_factory.mktemp("conformance") / "data", *options))

        yield serving


@pytest.fixture(scope="module")
def server(servers, options) -> Running:
    return servers(options)


@pytest.fixture(scope="module", params=["sync", "async"])
def ask(request, server) -> Iterator[Ask]:
    with asking(server, request.param) as ask:
        yield ask


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx2.Client]:
    """A client that is no SDK."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
        yield http


@pytest.fixture(scope="session")
def site() -> str:
    """Whose pages may ask the servers that are told nothing else."""
    return SITE


@pytest.fixture(scope="session")
def small() -> dict[str, str]:
    """A video that is soon made."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def picture() -> tuple[str, bytes, str]:
    return "sea.png", PHOTO, "image/png"


@pytest.fixture(scope="session")
def data_url() -> str:
    """The same picture."""
    return f"data:image/png;base64,{base64.b64encode(PHOTO).decode()}"


@pytest.fixture(scope="session")
def film() -> tuple[str, bytes, str]:
    return "sea.mp4", clip_of(PHOTO), "video/mp4"


@pytest.fixture(scope="session")
def envelope():
    """The error of a reply, found to be in OpenAI's envelope and to hold for clients that read types strictly."""

    def error(reply: httpx2.Response, status: int) -> dict[str, Any]:
        assert reply.status_code == status, reply.text
        assert reply.headers["content-type"].startswith("application/json")
        found = reply.json()["error"]
        assert set(found) == {"message", "type", "param", "code"}
        assert isinstance(found["message"], str)
        assert isinstance(found["code"], str)
        return found

    return error


@pytest.fixture(scope="session")
def plugins() -> Path:
    return Path(__file__).parent / "plugins"
