"""What is shown of an account: everything but its secrets, and how it stands."""

import time
from typing import Any, Final

import msgspec
from msgspec import Struct
from yarl import URL

from sora2api.accounts.book import Account
from sora2api.accounts.given import Given
from sora2api.accounts.lanes import Closed, Standing
from sora2api.accounts.reasons import advice, meaning
from sora2api.egress.proxies import shown

SECRETS: Final = ("token", "refresh_token")
_UNTOLD: Final = "Its engine has not said yet which models it has; it is asked again every few seconds."
_TRIAL: Final = "It has faults behind it, and gets one task at a time until one goes well."


class State(Struct, frozen=True, kw_only=True):
    """Whether an account is given tasks: *state* is `ready`, `disabled`, `no_models` or an error's code.

    *until* is in seconds since the epoch.
    """

    state: str
    why: str | None = None
    until: float | None = None


def state_of(account: Account, standing: Standing) -> State:
    if not account.enabled:
        return State(state="disabled", why="It is given no new tasks.")
    image, video = standing.closed(account, "image"), standing.closed(account, "video")
    closed = image or video
    if closed is None and not account.models:
        return State(state="no_models", why=_UNTOLD)
    if closed is None:
        return State(state="ready", why=_TRIAL if account.on_trial(time.time()) else None)
    why = _why(closed)
    if video is None:
        why = f"For images: {why}"
    elif image is None:
        why = f"For videos: {why}"
    return State(state=closed.code, why=why, until=closed.until)


def _why(closed: Closed) -> str:
    return "Its daily quota here is used up." if closed.daily else f"{meaning(closed.code)} {advice(closed.code)}"


def public(account: Account, standing: Standing) -> dict[str, Any]:
    """All fields of an account; of secrets is said whether they are `set`."""
    fields = {name: getattr(account, name) for name in account.__struct_fields__}
    secrets = {name: None if fields[name] is None else "set" for name in SECRETS}
    return (
        fields
        | secrets
        | {"proxy": proxy_of(account), "models": [model.name for model in account.models]}
        | msgspec.structs.asdict(state_of(account, standing))
    )


def audited(account: Account) -> dict[str, Any]:
    """What the audit keeps of an account: what it is set to, and whether its secrets are set."""
    kept = {name: getattr(account, name) for name in Given.__struct_fields__}
    secrets = {name: kept[name] is not None for name in SECRETS}
    return kept | secrets | addresses(account)


def addresses(account: Account) -> dict[str, str | None]:
    """Where it is, and how one gets there, without the passwords that may be in it."""
    refresh_url = None if account.refresh_url is None else bare(account.refresh_url)
    return {"base_url": bare(account.base_url), "proxy": proxy_of(account), "refresh_url": refresh_url}


def proxy_of(account: Account) -> str | None:
    """The word or URL of its proxy, without credentials."""
    return address(account.proxy) if account.proxy is not None and "://" in account.proxy else account.proxy


def address(proxy: str) -> str:
    """The URL of a *proxy* without credentials."""
    return shown(proxy)


def bare(address: str) -> str:
    """The URL *address* without the name and the password that may be in it."""
    return str(URL(address).with_user(None)) if "@" in address else address
