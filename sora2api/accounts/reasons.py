"""Why somebody waits for an account, and why an account is not used: in sentences."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from sora2api.accounts.book import Slot
from sora2api.accounts.lanes import Closed
from sora2api.errors import (
    AccountExpired,
    AccountRejected,
    ConnectFault,
    EngineBusy,
    EngineError,
    EngineFault,
    NetworkFault,
    NoEngine,
    NotServedHere,
    ProxyFault,
    QuotaExhausted,
    RateLimited,
)

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
        return f"The daily quota of {slot}s on {_names(accounts)} is used up until {moment(why.until or 0)}."
    verb = "rests" if len(accounts) == 1 else "rest"
    return f"{_names(accounts)} {verb} {_how_long(why.until)}: {why.code}."


def _how_long(until: float | None) -> str:
    if until is None:
        return "until somebody mends it"
    left = until - time.time()
    return f"until {moment(until)}" if left > _LONG else f"for {max(1, round(left))} s more"


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _names(accounts: Sequence[str]) -> str:
    first = ", ".join(accounts[:3])
    return first if len(accounts) <= 3 else f"{first} and {len(accounts) - 3} more"


def meaning(code: str) -> str:
    """What an account's being set aside for *code* means."""
    return next((error.__doc__ or "" for error in _errors(EngineError) if error.code == code), code)


def advice(code: str) -> str:
    """What an operator can do then."""
    return _ADVICE.get(code, "See whether its driver and base URL are right.")


def _errors(root: type[EngineError]) -> Iterator[type[EngineError]]:
    yield root
    for error in root.__subclasses__():
        yield from _errors(error)


_ADVICE: Final = {
    AccountRejected.code: "Give it another token with `sora2api account change NAME --token TOKEN`.",
    AccountExpired.code: "Give it another token, or another refresh token, with `sora2api account change NAME`.",
    QuotaExhausted.code: "It comes back by itself when the quota begins anew.",
    RateLimited.code: "It comes back by itself; with fewer slots it happens less.",
    EngineBusy.code: "It comes back by itself.",
    EngineFault.code: "See the engine's log; after each rest one task is tried.",
    NetworkFault.code: "See whether the engine runs, and the base URL is right; it comes back when the engine answers.",
    ConnectFault.code: "See whether the engine runs, and the base URL is right; it comes back when the engine answers.",
    ProxyFault.code: "See `sora2api proxy list`; it comes back with its proxy.",
    NotServedHere.code: "See which models the engine has, and the base URL.",
    NoEngine.code: "Install the plugin with its driver.",
}
