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
    if len(groups) == 1:
        return f"No account in use in the group {groups[0]!r} can do this."
    every = ", ".join(map(repr, groups))
    return f"No account in use that is in each of the groups {every} can do this."


def queued(slot: Slot, accounts: Sequence[str], *, ahead: int) -> str:
    names = _names(accounts)
    if slot == "image":
        return f"Waiting for an image slot on {names}: {ahead} ahead."
    return f"Waiting for a video slot on {names}: {ahead} ahead."


def resting(slot: Slot, accounts: Sequence[str], why: Closed) -> str:
    """*why* is that of the account that will be back first."""
    names = _names(accounts)
    if why.daily:
        until = moment(why.until or 0)
        if slot == "image":
            return f"The daily quota of images on {names} is used up until {until}."
        return f"The daily quota of videos on {names} is used up until {until}."
    if why.until is None:
        return f"No tasks go to {names} until somebody mends it: {why.code}."
    left = why.until - time.time()
    if left > _LONG:
        return f"No tasks go to {names} until {moment(why.until)}: {why.code}."
    return f"No tasks go to {names} for {max(1, round(left))} s more: {why.code}."


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _names(accounts: Sequence[str]) -> str:
    names = ", ".join(accounts[:3])
    return names if len(accounts) <= 3 else f"{names} (+{len(accounts) - 3})"


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
