"""What a check found, and what it is about."""

from pathlib import Path
from typing import Literal

from msgspec import Struct

from sora2api.errors import Sora2ApiError
from sora2api.settings import Settings

State = Literal["well", "warning", "wrong", "unseen"]
"""`unseen`: what the check needs cannot be had, for a reason that another check tells."""


class Finding(Struct, frozen=True):
    """What *check* says of what it looked at, and where that is not well, what to do."""

    check: str
    state: State
    said: str
    advice: str | None = None


class Case(Struct, frozen=True, kw_only=True):
    """What is examined: a data directory, its settings, and the server at *url*, where one was named."""

    folder: Path
    settings: Settings
    url: str | None


class Unseen(Sora2ApiError):
    """What a check needs cannot be had."""

    code = "unseen"


def well(check: str, said: str) -> Finding:
    return Finding(check, "well", said)


def warning(check: str, said: str, advice: str) -> Finding:
    return Finding(check, "warning", said, advice)


def wrong(check: str, said: str, advice: str) -> Finding:
    return Finding(check, "wrong", said, advice)


def unseen(check: str, said: str) -> Finding:
    return Finding(check, "unseen", said)
