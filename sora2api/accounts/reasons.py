"""Why somebody waits for an account, in one sentence."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sora2api.accounts.book import Slot
from sora2api.accounts.lanes import Closed

_LONG: Final = 7200.0


def nobody(groups: Sequence[str]) -> str:
    if not groups:
        return "No account in use can do this."
    named = " and ".join(map(repr, groups))
    return f"No account in use in the group{'s' if len(groups) > 1 else ''} {named} can do this."


def queued(slot: Slot, accounts: Sequence[str], *, ahead: int) -> str:
    return f"Waiting for a {slot} slot on {_names(accounts)}: {ahead} ahead."


def resting(slot: Slot, accounts: Sequence[str], why: Closed) -> str:
    """*why* is that of the account that will be back first."""
    if why.daily:
        return f"The daily quota of {slot}s on {_names(accounts)} is used up until {_moment(why.until or 0)}."
    verb = "rests" if len(accounts) == 1 else "rest"
    return f"{_names(accounts)} {verb} {_how_long(why.until)}: {why.code}."


def _how_long(until: float | None) -> str:
    if until is None:
        return "until somebody mends it"
    left = until - time.time()
    return f"until {_moment(until)}" if left > _LONG else f"for {max(1, round(left))} s more"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _names(accounts: Sequence[str]) -> str:
    first = ", ".join(accounts[:3])
    return first if len(accounts) <= 3 else f"{first} and {len(accounts) - 3} more"
