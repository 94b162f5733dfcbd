"""What the panel needs from the server that it is mounted in. Each key is set on the main application."""

from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import web
from msgspec import Struct

from sora2api.auth.first_start import FirstStart
from sora2api.auth.panel_keys import PanelKeys
from sora2api.auth.sessions import Sessions
from sora2api.settings import Settings


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
SHARES: Final[web.AppKey[Shares]] = web.AppKey("SHARES")
