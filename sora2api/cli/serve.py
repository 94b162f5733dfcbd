"""`sora2api serve`: the server, until SIGTERM or SIGINT."""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from sora2api.cli import sockets
from sora2api.cli.reload import reload
from sora2api.cli.service_manager import ServiceManager, meanwhile
from sora2api.cli.state import enter, load_settings, open_state, plugins_folder, print_json, run, state_options
from sora2api.errors import Sora2ApiError
from sora2api.settings import table
from sora2api.store.database import Database
from sora2api.supervision import keep_at

if TYPE_CHECKING:
    from sora2api.app import Server

Function = TypeVar("Function", bound=Callable[..., Any])

_LINGERING: Final = 60.0
"""How long the rest of a body that was refused is read and dropped, so that its sender gets to hear why."""


class AlreadyServed(Sora2ApiError):
    """Another server runs on this data directory."""

    code = "already_served"


def settings_options(function: Function) -> Function:
    """An option for each setting."""
    for setting in reversed(table()):
        flag = "--" + setting.name.replace("_", "-")
        switch: dict[str, Any] = {"is_flag": True, "default": None} if isinstance(setting.default, bool) else {}
        if isinstance(setting.default, bool):
            flag = f"{flag}/--no-{flag[2:]}"
        shown = ",".join(setting.default) if isinstance(setting.default, tuple) else setting.default
        option = click.option(flag, setting.name, help=f"{setting.help} [{shown}]", **switch)
        function = option(function)
    return function


@click.command(name="serve")
@state_options
@settings_options
def command(*, data_dir: Path, as_json: bool, **given: Any) -> None:
    """Run the server."""
    run(_serve(data_dir, given, as_json=as_json))


async def _serve(folder: Path, given: dict[str, Any], *, as_json: bool) -> None:
    from sora2api.app import assembled
    from sora2api.observe.logs import set_up
    from sora2api.registry import discover

    manager, passed, asked = ServiceManager(), sockets.given(), Asked.of_this_process()
    await asyncio.to_thread(enter, folder)
    with locked(folder):  # before a database is migrated that another server works with
        async with _opened(folder, manager) as database:
            loaded = await load_settings(folder, database, command_line=given)
            settings = loaded.settings
            set_up(settings.log_level, settings.log_format)
            registry = await asyncio.to_thread(
                discover, folder=plugins_folder(folder, settings), disabled=settings.disabled_plugins
            )
            async with (
                assembled(
                    folder=folder, loaded=loaded, database=database, registry=registry, hosts=sockets.hosts(passed)
                ) as server,
                manager.watched(partial(_status, server)),
                _answering(server, passed, asked.stop) as url,
            ):
                if asked.stop.is_set():
                    return
                manager.tell(READY=1)
                _announce(server, url, as_json=as_json)
                async with _reloading(manager, asked, partial(reload, server, folder, given)):
                    await asked.stop.wait()
                manager.stopping(within=settings.shutdown_timeout)


@asynccontextmanager
async def _opened(folder: Path, manager: ServiceManager) -> AsyncIterator[Database]:
    """The database, for whose migration the manager is asked to wait."""
    async with AsyncExitStack() as stack:
        async with manager.given_time():
            database = await stack.enter_async_context(open_state(folder))
        yield database


@asynccontextmanager
async def _answering(server: "Server", passed: Sequence[socket], stop: asyncio.Event) -> AsyncIterator[str]:
    """Answer requests within this context, at the URL that it gives once the server is ready, or shall stop."""
    from aiohttp import web

    settings = server.parts.base.settings
    runner = web.AppRunner(
        server.app,
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=settings.shutdown_timeout,
        lingering_time=_LINGERING,
    )
    newcomers = sockets.Newcomers(runner) if passed else None
    await runner.setup()
    try:
        if passed:  # who waits there since before the start is not told that it is starting
            await _until_ready(server, stop)
        url = await sockets.listen(runner, passed, settings.host, settings.port)
        if not passed:
            await _until_ready(server, stop)
        yield url
    finally:
        if newcomers is not None:
            await newcomers.last()
        server.jobs.drain()
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Asked:
    """What signals ask of the server."""

    stop: asyncio.Event
    reload: asyncio.Event

    @classmethod
    def of_this_process(cls) -> "Asked":
        """SIGTERM and SIGINT stop, SIGHUP reloads; from a terminal, which sends it when it closes, that stops too."""
        asked = cls(asyncio.Event(), asyncio.Event())
        hung_up = asked.stop if os.isatty(0) else asked.reload
        loop = asyncio.get_running_loop()
        for number, event in ((signal.SIGTERM, asked.stop), (signal.SIGINT, asked.stop), (signal.SIGHUP, hung_up)):
            loop.add_signal_handler(number, event.set)
        return asked


@asynccontextmanager
async def _reloading(
    manager: ServiceManager, asked: Asked, reload_: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Reload whenever that is asked."""

    async def whenever() -> None:
        while True:
            await asked.reload.wait()
            asked.reload.clear()
            manager.reloading()
            try:
                await reload_()
            finally:
                manager.tell(READY=1)

    async with meanwhile(partial(keep_at, whenever, name="reload")):
        yield


def _status(server: "Server") -> str:
    jobs, pool = server.jobs, server.parts.accounts.pool
    return f"{jobs.unfinished().total()} jobs in flight, {pool.waiting()} tasks waiting for an account"


async def _until_ready(server: Any, stop: asyncio.Event) -> None:
    """Wait for the sandbox, where it is what will answer."""
    stopping = asyncio.ensure_future(stop.wait())
    up = asyncio.ensure_future(server.sandbox.up.wait())
    if server.sandbox_wanted():
        await asyncio.wait((stopping, up), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    up.cancel()
    server.health.ready = server.jobs.started = not stop.is_set()


def _announce(server: Any, url: str, *, as_json: bool) -> None:
    sandbox = server.sandbox_wanted()
    if as_json:
        print_json({"url": url, "sandbox": sandbox})
        return
    click.echo(f"sora2api listens on {url} (panel: {url}/admin/)")
    if server.issued is not None:
        password = f"panel login admin / {server.issued.password}, " if server.issued.password else ""
        click.echo(f"Made for you, shown only now, and kept in {server.issued.file}:")
        click.echo(f"  {password}API key {server.issued.key}")
    if sandbox:
        click.echo("The built-in sandbox answers, since no engine is connected: `sora2api account add --help`.")
    if server.first_start.holds:
        click.echo("Default API key han1234, panel login admin / admin: for this machine alone, until then.")
        click.echo("Put no proxy in front before the first account is added. Try:")
        key = "han1234"
    else:
        key = "YOUR_API_KEY"
    body = '{"model": "sora-video-landscape-10s", "stream": true, "messages": [{"role": "user", "content": "A cat"}]}'
    click.echo(f"  curl -N {url}/v1/chat/completions -H 'Authorization: Bearer {key}' \\\n    -d '{body}'")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One server a data directory."""
    with (folder / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyServed(f"Another server runs on {folder}.") from None
        yield
