"""Trying an account: what its engine says when it is asked for its models, which costs nothing."""

import time

from msgspec import Struct

from sora2api.accounts.book import Account
from sora2api.accounts.engines import Engines
from sora2api.accounts.health import Health
from sora2api.accounts.proxies import ProxyBook
from sora2api.accounts.reasons import advice
from sora2api.errors import EngineError, NoEngine, Sora2ApiError


class Found(Struct, frozen=True, kw_only=True):
    """What was found. *latency* in seconds, *route* the proxy's name (None: direct), *expires_at* epoch seconds.

    Where it does not answer, *code* and *message* say why, and *advice* what can be done.
    """

    name: str
    ok: bool
    models: tuple[str, ...] = ()
    latency: float | None = None
    route: str | None = None
    expires_at: float | None = None
    code: str | None = None
    message: str | None = None
    advice: str | None = None


async def tried(account: Account, *, proxies: ProxyBook, engines: Engines) -> Found:
    """Try an account that nobody need have added; nothing is written down."""
    began, route = time.monotonic(), None
    try:
        route = proxies.route(account.proxy, whose="").name
        driver = engines.trial(account)
        models = await driver.check()
        ends = await driver.expires_at()
    except (EngineError, NoEngine) as error:
        return _failed(account, error, route=route)
    return Found(
        name=account.name,
        ok=True,
        models=tuple(model.name for model in models),
        latency=time.monotonic() - began,
        route=route,
        expires_at=account.expires_at if ends is None else ends,
    )


async def looked_at(account: Account, *, proxies: ProxyBook, health: Health) -> Found:
    """Try an account of the book: what is learned is written down, and one that is well again is taken back."""
    began, route = time.monotonic(), None
    try:
        route = None if account.sandbox else proxies.route(account.proxy, whose=account.id).name
        account = await health.check(account)
    except (EngineError, NoEngine) as error:
        return _failed(account, error, route=route)
    return Found(
        name=account.name,
        ok=True,
        models=tuple(model.name for model in account.models),
        latency=time.monotonic() - began,
        route=route,
        expires_at=account.expires_at,
    )


def _failed(account: Account, error: Sora2ApiError, *, route: str | None) -> Found:
    known = tuple(model.name for model in account.models)
    return Found(
        name=account.name,
        ok=False,
        models=known,
        route=route,
        expires_at=account.expires_at,
        code=error.code,
        message=error.message,
        advice=advice(error.code),
    )
