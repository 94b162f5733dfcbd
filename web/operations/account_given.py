"""What is said of an account by a form or a program, and what changes of the account by that."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sora2api.accounts import Account
from sora2api.accounts.given import Given, checked
from sora2api.accounts.shown import SECRETS, addresses
from sora2api.web import driver_form
from sora2api.web.operation import Desk

_TRIED: Final = "trial"


class AccountChange(Struct, frozen=True, kw_only=True):
    """The fields that are given are changed. A secret that is empty stays as it is: `clear_…` takes it away.

    *settings* are the driver's, all of them: what is left out is as by default. What is given for an address just as it
    is shown, without the password that it may have, leaves it alone.
    """

    id: str = ""
    name: str | UnsetType = UNSET
    driver: str | UnsetType = UNSET
    base_url: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    clear_token: bool = False
    proxy: str | UnsetType | None = UNSET
    image_slots: int | UnsetType = UNSET
    video_slots: int | UnsetType = UNSET
    weight: float | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    groups: tuple[str, ...] | UnsetType = UNSET
    daily_images: int | UnsetType | None = UNSET
    daily_videos: int | UnsetType | None = UNSET
    calls_a_minute: int | UnsetType | None = UNSET
    remake_lost: bool | UnsetType = UNSET
    expires_at: float | UnsetType | None = UNSET
    refresh_token: str | UnsetType = UNSET
    clear_refresh_token: bool = False
    refresh_url: str | UnsetType | None = UNSET
    client_id: str | UnsetType | None = UNSET
    settings: dict[str, Any] | UnsetType = UNSET


def new(desk: Desk, given: Given) -> dict[str, Any]:
    """The fields of a new account. Raises `InvalidValue`."""
    return _right(desk, msgspec.structs.asdict(given))


def changes(desk: Desk, account: Account, asked: AccountChange) -> dict[str, Any]:
    """The fields of the account that become others, with what they become. Raises `InvalidValue`."""
    said = _said(asked, account)
    whole = {name: getattr(account, name) for name in Given.__struct_fields__} | said
    right = _right(desk, whole)
    return {name: right[name] for name in said if right[name] != getattr(account, name)}


def trial(desk: Desk, account: Account | None, asked: AccountChange) -> Account:
    """The account as it would be, to be tried."""
    if account is not None:
        return msgspec.structs.replace(account, **changes(desk, account, asked))
    fields = _right(desk, {"driver": "", "base_url": "", **_said(asked, None)})
    return Account(id=_TRIED, created_at=0.0, **({"token": None} | fields))


def _said(asked: AccountChange, account: Account | None) -> dict[str, Any]:
    given = {name: getattr(asked, name) for name in Given.__struct_fields__ if hasattr(asked, name)}
    said = {name: value for name, value in given.items() if value is not UNSET}
    for name in SECRETS:
        if getattr(asked, f"clear_{name}"):
            said[name] = None
        elif not said.get(name):
            said.pop(name, None)
    if account is not None:
        shown = addresses(account)
        said = {name: value for name, value in said.items() if name not in shown or value != shown[name]}
    return said


def _right(desk: Desk, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, each of its type, without settings that are as by default."""
    kinds, check_proxy = desk.office.engines.kinds, desk.office.proxies.check_word
    kind = kinds.get(str(fields["driver"]))
    if kind is None:
        return checked(fields, kinds, check_proxy=check_proxy)
    settings = driver_form.read(kind.settings_type, fields.get("settings", {}))
    right = checked(fields | {"settings": settings}, kinds, check_proxy=check_proxy)
    usual = driver_form.usual(kind.settings_type)
    right["settings"] = {
        name: value for name, value in right["settings"].items() if name not in usual or value != usual[name]
    }
    return right
