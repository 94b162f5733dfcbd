"""What the panel needs from the server that it is mounted in. Each key is set on the main application."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol

from aiohttp import web
from msgspec import Struct

from sora2api.auth.first_start import FirstStart
from sora2api.auth.panel_keys import PanelKeys
from sora2api.auth.sessions import Sessions
from sora2api.settings import Settings


class SlotUse(Struct, frozen=True):
    """Slots of one kind: how many there are, and how many are taken."""

    used: int
    total: int


class AccountState(Struct, frozen=True, kw_only=True):
    """An account and how it is. *reason* is the code of what set it aside; it rests *until* then (epoch seconds)."""

    name: str
    engine: str
    state: Literal["ready", "resting", "ill", "disabled"]
    reason: str | None = None
    until: float | None = None
    image: SlotUse
    video: SlotUse


class SetAside(Struct, frozen=True):
    """A plugin that is not used, and why."""

    name: str
    distribution: str
    reason: str


class Overview(Struct, frozen=True, kw_only=True):
    """The server at a glance. *jobs* counts by status; sizes are bytes; below *disk_reserve* no new job is taken."""

    version: str
    jobs: Mapping[str, int]
    accounts: Sequence[AccountState]
    disk_free: int
    disk_total: int
    disk_reserve: int
    sandbox: bool
    set_aside: Sequence[SetAside]


class OverviewSource(Protocol):
    """Knows how the server is."""

    async def overview(self) -> Overview: ...


class SharedVideo(Struct, frozen=True, kw_only=True):
    """A finished video that may be shown to others. Links are absolute, or paths on this server."""

    title: str
    model: str
    video: str
    poster: str | None
    width: int
    height: int
    seconds: float


class Shares(Protocol):
    """Finds what is shared; None for what is not, or no more."""

    async def find(self, share_id: str) -> SharedVideo | None: ...


SETTINGS: Final[web.AppKey[Callable[[], Settings]]] = web.AppKey("SETTINGS")
SESSIONS: Final = web.AppKey("SESSIONS", Sessions)
PANEL_KEYS: Final = web.AppKey("PANEL_KEYS", PanelKeys)
FIRST_START: Final = web.AppKey("FIRST_START", FirstStart)
OVERVIEW: Final[web.AppKey[OverviewSource]] = web.AppKey("OVERVIEW")
SHARES: Final[web.AppKey[Shares]] = web.AppKey("SHARES")
