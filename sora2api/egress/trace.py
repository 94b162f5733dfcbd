"""The trace: what each call to an engine was, without its secrets."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import aiohttp
from msgspec import Struct
from yarl import URL

from sora2api.errors import Cancelled, ConnectFault, Sora2ApiError

JOB: Final[ContextVar[str | None]] = ContextVar("JOB", default=None)
"""The id of the job that is worked; none while something is done for many at once, as a poll is."""


class Call(Struct, frozen=True, kw_only=True):
    """One call made for an account.

    *at* is in seconds since the epoch, *took* in seconds, sizes in bytes and without headers; *url* is without
    credentials and query, *proxy* the name of a `Route`, *code* that of our error where the call failed.
    """

    at: float
    account_id: str
    job_id: str | None
    request_id: str | None
    proxy: str | None
    method: str
    url: str
    status: int | None
    code: str | None
    took: float
    bytes_sent: int | None
    bytes_received: int | None


Trace = Callable[[Call], None]


def untraced(_call: Call) -> None:
    """Keep no trace."""


class Meter:
    """What is learned of a call while it is made."""

    __slots__ = ("response", "sent")

    def __init__(self) -> None:
        self.response: aiohttp.ClientResponse | None = None
        self.sent: int | None = 0


class Calls:
    """How many calls were made."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = 0


_COUNTED: Final[ContextVar[Calls | None]] = ContextVar("COUNTED", default=None)


@contextmanager
def counted() -> Iterator[Calls]:
    """Count the calls made in the context, those of tasks begun there too."""
    calls = Calls()
    outer = _COUNTED.set(calls)
    try:
        yield calls
    finally:
        _COUNTED.reset(outer)


@contextmanager
def traced(trace: Trace, *, account: str, proxy: str | None, method: str, url: URL) -> Iterator[Meter]:
    """Give what is done in the context to *trace*, as one call, when it is over."""
    meter = Meter()
    calls = _COUNTED.get()
    if calls is not None:
        calls.made += 1
    at, began = time.time(), time.monotonic()
    code = None
    try:
        yield meter
    except Sora2ApiError as error:
        code = error.code
        if isinstance(error, ConnectFault):
            meter.sent = 0
        raise
    except (asyncio.CancelledError, GeneratorExit):
        code = Cancelled.code
        raise
    finally:
        response = meter.response
        trace(
            Call(
                at=at,
                account_id=account,
                job_id=JOB.get(),
                request_id=None,
                proxy=proxy,
                method=method,
                url=str(url.with_user(None).with_query(None).with_fragment(None)),
                status=None if response is None else response.status,
                code=code,
                took=time.monotonic() - began,
                bytes_sent=meter.sent,
                bytes_received=0 if response is None else response.content.total_raw_bytes,
            )
        )
