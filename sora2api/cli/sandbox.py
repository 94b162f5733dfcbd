"""`sora2api sandbox`: the sandbox engine alone, or as the child of `serve`."""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import click
import orjson

from sora2api.cli.ending import CommandFailed, message_of

if TYPE_CHECKING:
    from sora2api.sandbox.engine import Options


@click.command(name="sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8100, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--data-dir", metavar="DIR", help="The data directory; the sandbox keeps to its folder `sandbox` in it.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    envvar="SORA2API_SANDBOX_KEY",
    default=("sk-sandbox",),
    show_default=True,
    help="An API key; may be repeated.",
)
@click.option(
    "--delay",
    default=4.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds that a video takes; a picture takes a quarter.",
)
@click.option(
    "--without", default="", metavar="NAMES", help="What it shall not be able to do, by commas: remix,characters,…"
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.option(
    "--until-stdin-closes", is_flag=True, hidden=True, help="End when standard input does, whatever signals come."
)
def command(
    *,
    host: str,
    port: int,
    data_dir: str | None,
    keys: tuple[str, ...],
    delay: float,
    without: str,
    as_json: bool,
    until_stdin_closes: bool,
) -> None:
    """Run the sandbox engine alone: an OpenAI-format server that renders with Pillow."""
    from sora2api.sandbox.engine import CAPABILITIES, Options
    from sora2api.settings import data_folder

    missing = frozenset(filter(None, without.replace(" ", "").split(",")))
    known = [name for names in CAPABILITIES.values() for name in names]
    if unknown := missing.difference(known):
        raise click.UsageError(f"--without does not know {', '.join(sorted(unknown))}; it knows {', '.join(known)}.")
    options = Options(folder=data_folder(data_dir) / "sandbox", keys=keys, delay=delay, without=missing)
    asyncio.run(_serve(options, host, port, as_json=as_json, child=until_stdin_closes))


async def _serve(options: "Options", host: str, port: int, *, as_json: bool, child: bool) -> None:
    from sora2api.errors import Sora2ApiError
    from sora2api.sandbox import server

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, (lambda: None) if child else stop.set)
    if child:
        os.set_blocking(sys.stdin.fileno(), False)
        loop.add_reader(sys.stdin.fileno(), _read_to_end, stop)

    def ready(url: str) -> None:
        key = options.keys[0]
        said = orjson.dumps({"url": url, "key": key}).decode()
        print(said if as_json else f"The sandbox listens on {url} (key {key})", flush=True)

    try:
        await server.run(options, host=host, port=port, ready=ready, stop=stop)
    except (Sora2ApiError, OSError) as error:
        raise CommandFailed(message_of(error)) from error


def _read_to_end(stop: asyncio.Event) -> None:
    """Drops what comes by standard input; its end sets *stop*."""
    try:
        ended = not os.read(sys.stdin.fileno(), 4096)
    except BlockingIOError:
        return
    if ended:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()
