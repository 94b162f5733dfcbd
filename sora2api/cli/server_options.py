"""The options of commands that ask a server over HTTP: which, and by which key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from yarl import URL

Function = TypeVar("Function", bound=Callable[..., Any])

OUTPUT: Final = click.Path(dir_okay=False, writable=True, path_type=Path)
"""A file that something is fetched into; what it cannot be is said before anything is paid for."""
OUT: Final = Path("-")
"""Standard output, as such a file."""
HERE: Final = "http://127.0.0.1:8000/v1"
_DEFAULT_KEY: Final = "han1234"
"""What a server takes that was never set up, from its own machine alone."""
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")


def server_option(*, here: bool) -> Callable[[Function], Function]:
    """`--server`; *here*: where nothing names one, it is this machine's own."""
    said = "The server's base URL"
    return click.option(
        "--server",
        metavar="URL",
        envvar=("SORA2API_SERVER", "OPENAI_BASE_URL") if here else None,
        default=HERE if here else None,
        callback=_address,
        help=f"{said}; else SORA2API_SERVER, else OPENAI_BASE_URL, else {HERE}." if here else f"{said}.",
    )


def key_option(function: Function) -> Function:
    return click.option(
        "--key",
        metavar="KEY",
        envvar=("SORA2API_KEY", "OPENAI_API_KEY"),
        help="The API key; else SORA2API_KEY, else OPENAI_API_KEY.",
    )(function)


def patience_option(function: Function) -> Function:
    return click.option(
        "--patience",
        type=click.FloatRange(0),
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="How long the server may be out of reach, once it has answered.",
    )(function)


def key_for(server: str, key: str | None) -> str | None:
    """The key that was given; for this machine's own server the one that holds until it is set up."""
    return key or (_DEFAULT_KEY if URL(server).host in _LOCAL else None)


def _address(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    if given is None:
        return None
    try:
        url = URL(given)
    except ValueError:
        url = URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise click.BadParameter(f"{given!r} is no address of a server, as {HERE} is.")
    return given
