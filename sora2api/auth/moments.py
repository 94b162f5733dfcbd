"""Moments as people write them: from now on, so long ago, a day, or a time of day."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from sora2api.errors import InvalidValue

_AWAY: Final = re.compile(r"([0-9]{1,6})([dhm])")
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


def moment(words: str) -> float:
    """Seconds since the epoch of `30d`, `12h` or `90m` from now, or of `2027-01-31` or `2027-01-31T12:00`.

    A day begins, and a time of day without a zone is told, in UTC. Raises `InvalidValue`.
    """
    try:
        return _moment(words, sign=1)
    except (ValueError, OverflowError):
        raise InvalidValue(
            f"{words!r} is neither a time from now, as 30d, 12h or 90m, nor a day, as 2027-01-31.", param="expires"
        ) from None


def past(words: str, *, param: str) -> float:
    """Seconds since the epoch of `30d`, `12h` or `90m` ago, or of a day or time as `moment` has them."""
    try:
        return _moment(words, sign=-1)
    except (ValueError, OverflowError):
        raise InvalidValue(
            f"{words!r} is neither so long ago, as 30d, 12h or 90m, nor a day, as 2027-01-31.", param=param
        ) from None


def _moment(words: str, *, sign: int) -> float:
    words = words.strip()
    if away := _AWAY.fullmatch(words):
        return (datetime.now(UTC) + sign * timedelta(**{_UNITS[away[2]]: int(away[1])})).timestamp()
    told = datetime.fromisoformat(words)
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
