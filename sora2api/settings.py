"""The settings: one table of (name, default, help), read by the command line, the environment, the files and the panel.

A value comes from the command line, else the environment (`SORA2API_<NAME>`), else the database (panel), else the TOML
file, else the default. Whatever stands above the database is pinned: the panel shows it read-only, with its source.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from sora2api.errors import InvalidValue

PREFIX: Final = "SORA2API_"
FILE: Final = "sora2api.toml"
MEBIBYTE: Final = 1024 * 1024
_ORIGIN: Final = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")
_DEADLINE: Final = re.compile(r"[^\s=]+=(?=[0-9.]*[1-9])[0-9]+(\.[0-9]+)?")

_SHARE: Final = {"true": "link", "1": "link", "false": "off", "0": "off"}
"""Other words for values of `share`."""

AT_ONCE: Final = frozenset({"paused"})
"""The settings that a running server heeds when they are chosen anew; others hold from its next start."""

ON_RELOAD: Final = frozenset(
    {
        "public_url",
        "trusted_proxies",
        "log_level",
        "log_format",
        "monitor_allow",
        "fetch_timeout",
        "wait_limit",
        "heartbeat",
        "cancel_on_disconnect",
        "chat_video",
        "chat_chores",
        "file_lifetime",
        "content_redirect",
    }
)
"""The settings that are read whenever they are used, so that a reload (SIGHUP) is enough for them."""

SECRET: Final = frozenset({"metrics_token"})
"""The settings that are shown to nobody."""

_NETWORKS: Final = frozenset({"trusted_proxies", "fetch_allow", "monitor_allow"})

SEALED: Final = SECRET | {"default_proxy", "alert_url"}
"""Those, and the settings that may have a password or a token in them: the database keeps them sealed."""

Source = Literal["command line", "environment", "database", "file", "default"]


def _help(text: str, **limits: Any) -> Meta:
    return Meta(description=text, **limits)


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings with their defaults. Times are in seconds, sizes in bytes."""

    host: Annotated[str, _help("The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _help("The port to listen on; 0 takes a free one.", ge=0, le=65535)] = 8000
    public_url: Annotated[str, _help("What links begin with; empty: the request's own scheme and host.")] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        _help("Networks of the proxies whose X-Forwarded-For, -Proto and -Host are believed."),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        _help("Sites whose pages may use the API from a browser, as in https://app.example.org; `*`: all."),
    ] = ()
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _help("How much is logged.")] = "info"
    log_format: Annotated[
        Literal["console", "json"], _help("How a line of the console's log is written: for people, or as JSON.")
    ] = "console"
    metrics: Annotated[
        Literal["off", "local", "token"],
        _help("Who may read /metrics: nobody, this machine and `monitor_allow`, or who shows `metrics_token`."),
    ] = "local"
    metrics_token: Annotated[
        str, _help("What `metrics = token` wants as `Authorization: Bearer ...`; it opens the details of /readyz too.")
    ] = ""
    monitor_allow: Annotated[
        tuple[str, ...],
        _help("Networks, besides this machine, that may read /metrics and the details of /readyz."),
    ] = ()
    trace_engines: Annotated[
        bool, _help("Tell engines, by W3C Trace Context, which trace a call belongs to, where traces are kept.")
    ] = False

    sandbox: Annotated[bool, _help("Serve from the sandbox even though there are accounts.")] = False
    sandbox_delay: Annotated[float, _help("How long the sandbox takes over a video.", ge=0)] = 4.0

    paused: Annotated[bool, _help("Take no new jobs; those that there are go on.")] = False

    default_proxy: Annotated[str, _help("The proxy of accounts that name none, and of fetches for clients.")] = ""
    proxy_failure: Annotated[
        Literal["move", "rest"],
        _help("What becomes of accounts whose listed proxy fails: moved to another one, or rested."),
    ] = "move"
    fetch_allow: Annotated[tuple[str, ...], _help("Private networks that links given by clients may point to.")] = ()
    fetch_timeout: Annotated[float, _help("How long fetching a client's link may take.", gt=0)] = 60.0

    json_limit: Annotated[int, _help("The largest JSON body taken.", gt=0)] = 150 * MEBIBYTE
    upload_limit: Annotated[int, _help("The largest upload or fetched file taken.", gt=0)] = 200 * MEBIBYTE
    receive_limit: Annotated[
        int, _help("How much all requests together may be receiving; beyond it a request is told to wait.", gt=0)
    ] = 2048 * MEBIBYTE

    wait_limit: Annotated[float, _help("How long a request that waits for its result may wait.", gt=0)] = 1800.0
    heartbeat: Annotated[
        float, _help("Seconds of silence after which a stream says that it is alive.", gt=0, le=15)
    ] = 15.0
    cancel_on_disconnect: Annotated[bool, _help("Cancel a chat's job when its client goes away.")] = False
    chat_video: Annotated[
        Literal["link", "html", "predecessor"],
        _help("How a chat reply shows a video: a link, an HTML player, a fenced one."),
    ] = "link"
    chat_chores: Annotated[bool, _help("Answer the title and tag requests of chat programs with a short text.")] = True

    queue_limit: Annotated[int, _help("How many jobs may wait.", gt=0)] = 10_000
    queue_timeout: Annotated[float, _help("How long a job may wait for an account.", gt=0)] = 3600.0
    native_wait: Annotated[float, _help("How long a native way waits for its account before it is composed.", ge=0)] = (
        30.0
    )
    strategy: Annotated[
        Literal["least_busy", "round_robin", "weighted", "random"],
        _help("How an account is chosen among those that can."),
    ] = "least_busy"
    tries: Annotated[int, _help("How often a task that no engine took is submitted.", ge=1)] = 6
    lookup_interval: Annotated[float, _help("The time between two looks for a submit whose answer was lost.", ge=0)] = (
        10.0
    )
    poll_interval: Annotated[
        float, _help("The longest time between two polls of a task; of a list, between its pages.", gt=0)
    ] = 5.0

    deadlines: Annotated[
        tuple[str, ...],
        _help("How long jobs of a mode may be worked once begun, as in `image=300`; modes have their own defaults."),
    ] = ()

    log_requests: Annotated[bool, _help("Keep a log of requests, and of the calls to engines made for them.")] = True
    log_prompts: Annotated[bool, _help("Keep prompts in the log of requests.")] = True
    log_lifetime: Annotated[float, _help("How long the log of requests is kept.", gt=0)] = 30 * 86400.0
    log_size: Annotated[int, _help("The size above which the oldest of the log of requests goes.", gt=0)] = (
        1024 * MEBIBYTE
    )
    alert_url: Annotated[
        str, _help("Where to tell, as a webhook, that something needs an operator; empty: nowhere.")
    ] = ""

    job_lifetime: Annotated[float, _help("How long a job that is over is known, with its events.", gt=0)] = 90 * 86400.0
    output_lifetime: Annotated[float, _help("How long outputs are kept.", gt=0)] = 7 * 86400.0
    input_lifetime: Annotated[float, _help("How long inputs are kept after their job.", ge=0)] = 3600.0
    file_lifetime: Annotated[float, _help("How long a file of /v1/files is kept whose client does not say.", gt=0)] = (
        30 * 86400.0
    )
    content_redirect: Annotated[
        bool, _help("Answer who asks for a video's content with a redirect to a link that needs no key.")
    ] = False
    share: Annotated[
        Literal["off", "link", "public"],
        _help(
            "Who may open a video's share page and remix by its share id: nobody else, whoever has the link (also: "
            "`true`), or search engines too."
        ),
    ] = "link"
    disk_reserve: Annotated[int, _help("Free disk below which no new job is taken.", ge=0)] = 512 * MEBIBYTE

    disabled_plugins: Annotated[tuple[str, ...], _help("Plugins not to load, by name.")] = ()
    plugins_folder: Annotated[
        str, _help("A folder of plugins, for where pip cannot be used; empty: DATA_DIR/plugins.")
    ] = ""
    shutdown_timeout: Annotated[float, _help("How long open replies may take to end at a stop.", gt=0)] = 10.0

    @property
    def sharing(self) -> bool:
        """Whether share ids and pages are for others at all."""
        return self.share != "off"


class Loaded(Struct, frozen=True):
    """The settings in force, and where each of them comes from."""

    settings: Settings
    sources: dict[str, Source]

    def pinned(self) -> frozenset[str]:
        """The settings that stand above the database, which cannot change them."""
        above = ("command line", "environment")
        return frozenset(name for name, source in self.sources.items() if source in above)


class InForce:
    """The settings that a running server goes by, *loaded* at its start; a reload changes some of them."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    def take(self, found: Loaded) -> tuple[Sequence[str], Sequence[str]]:
        """Go by what was *found* as far as a running server can: what has changed, and what waits for a restart."""
        differing = [name for name in names() if getattr(found.settings, name) != getattr(self.settings, name)]
        changed = [name for name in differing if name in ON_RELOAD]
        values = {name: getattr(found.settings, name) for name in changed}
        sources = self.loaded.sources | {name: found.sources[name] for name in ON_RELOAD}
        self.loaded = Loaded(msgspec.structs.replace(self.settings, **values), sources)
        return changed, [name for name in differing if name not in ON_RELOAD | AT_ONCE]


def data_folder(given: str | None = None) -> Path:
    """The data directory: *given*, else `SORA2API_DATA_DIR`, else `~/.local/share/sora2api`."""
    named = given or os.environ.get(f"{PREFIX}DATA_DIR")
    try:
        return Path(named or "~/.local/share/sora2api").expanduser().absolute()
    except RuntimeError as error:
        raise InvalidValue(f"{named or 'The data directory'} is in a home directory that is not known.") from error


def load(
    folder: Path,
    *,
    command_line: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    database: Mapping[str, Any] | None = None,
) -> Loaded:
    """Put the settings together. A wrong value raises `InvalidValue`, which names the setting and its source."""
    environment = os.environ if environment is None else environment
    layers: tuple[tuple[Source, Mapping[str, Any]], ...] = (
        ("file", _read_file(folder / FILE)),
        ("database", database or {}),
        (
            "environment",
            {name: environment[key] for name in names() if (key := PREFIX + name.upper()) in environment},
        ),
        ("command line", {name: value for name, value in (command_line or {}).items() if value is not None}),
    )
    values: dict[str, Any] = {}
    sources: dict[str, Source] = dict.fromkeys(names(), "default")
    for source, layer in layers:
        for name, value in layer.items():
            values[name] = parse(name, value, source=source)
            sources[name] = source
    return Loaded(Settings(**values), sources)


def names() -> tuple[str, ...]:
    return Settings.__struct_fields__


def parse(name: str, value: Any, *, source: Source) -> Any:
    """*value* as the type of the setting *name*; text is understood as an environment variable's is."""
    if name not in names():
        raise InvalidValue(f"There is no setting {name!r} ({source}).", param=name)
    kind = Settings.__annotations__[name]
    if isinstance(value, str) and kind.__origin__ is not str and getattr(kind.__origin__, "__origin__", None) is tuple:
        value = [part.strip() for part in value.split(",") if part.strip()]
    if name == "share":
        value = _SHARE.get(str(value).lower(), value)
    try:
        parsed = msgspec.convert(value, kind, strict=False)
        for network in parsed if name in _NETWORKS else ():
            ip_network(network)
        for origin in parsed if name == "cors_origins" else ():
            _check_origin(origin)
        for deadline in parsed if name == "deadlines" else ():
            _check_deadline(deadline)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidValue(f"The setting {name} ({source}) is wrong: {error}", param=name) from error
    return parsed


def _check_origin(origin: str) -> None:
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(f"{origin!r} is no origin: a scheme and a host, with no path, or `*`.")


def _check_deadline(deadline: str) -> None:
    if not _DEADLINE.fullmatch(deadline):
        raise ValueError(f"{deadline!r} is no mode with its seconds, as in `image=300`.")


def _read_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{path} is not valid TOML: {error}") from error


class Described(Struct, frozen=True):
    """A row of the table of settings."""

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    """What it may be, where that is one of a few words."""


def table() -> tuple[Described, ...]:
    """All settings, for --help, the docs and the panel."""
    return tuple(
        Described(
            field.name,
            field.default,
            field.type.__metadata__[0].description,
            get_args(field.type.__origin__) if get_origin(field.type.__origin__) is Literal else (),
        )
        for field in msgspec.structs.fields(Settings)
    )
