"""Assembles the sandbox's application and runs it until it is told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from sora2api.sandbox import characters, controls, faults, images, videos
from sora2api.sandbox.engine import Options, engine_in
from sora2api.sandbox.replies import ENGINE, authorized, enveloped
from sora2api.sandbox.shelf import sole_use

LARGEST_BODY = 256 * 1024**2


def application(options: Options) -> web.Application:
    """The sandbox as an aiohttp application. Its start raises FolderTaken if another one uses the folder."""

    @asynccontextmanager
    async def engine(app: web.Application) -> AsyncIterator[None]:
        with sole_use(options.folder):
            async with engine_in(options) as running:
                app[ENGINE] = running
                yield

    app = web.Application(middlewares=[enveloped, faults.misbehaving, authorized], client_max_size=LARGEST_BODY)
    app[faults.FAULTS] = []
    app.cleanup_ctx.append(engine)
    for module in (controls, images, characters, videos, faults):  # fixed paths before those with an {id}
        app.add_routes(module.routes)
    return app


async def run(options: Options, *, host: str, port: int, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serves until *stop* is set; calls *ready* with the URL as soon as connections are taken."""
    runner = web.AppRunner(application(options), access_log=None, shutdown_timeout=2)
    try:
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{site.port}")
        await stop.wait()
    finally:
        await runner.cleanup()
