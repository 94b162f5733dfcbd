"""What is given of an account when it is added or imported, found to be right."""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from yarl import URL

from sora2api.drivers import Driver
from sora2api.egress.proxies import shown
from sora2api.errors import InvalidValue

_ASKED_WITH: Final = frozenset({"driver", "base_url", "settings", "token", "proxy", "refresh_token", "refresh_url"})
_MOST: Final = 1_000_000_000
"""The largest number that is taken: more than is ever meant, and every reader of the database and of JSON takes it."""
_Count = Annotated[int, Meta(ge=0, le=_MOST)]


class Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that can be said of a new account, with what holds where nothing is said. Times are epoch seconds."""

    driver: str
    base_url: Annotated[str, Meta(max_length=2000)]
    name: Annotated[str, Meta(max_length=100)] | None = None
    token: str | None = None
    proxy: str | None = None
    image_slots: _Count = 2
    video_slots: _Count = 2
    weight: Annotated[float, Meta(gt=0, le=_MOST)] = 1.0
    remake_lost: bool = False
    settings: dict[str, Any] = {}
    enabled: bool = True
    groups: tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...] = ()
    priority: Annotated[int, Meta(ge=-_MOST, le=_MOST)] = 0
    calls_a_minute: Annotated[int, Meta(ge=1, le=_MOST)] | None = None
    daily_images: _Count | None = None
    daily_videos: _Count | None = None
    expires_at: float | None = None
    refresh_token: str | None = None
    refresh_url: Annotated[str, Meta(max_length=2000)] | None = None
    client_id: Annotated[str, Meta(max_length=200)] | None = None


def checked(
    given: Mapping[str, Any],
    drivers: Mapping[str, type[Driver]],
    *,
    check_proxy: Callable[[str], object] = shown,
) -> dict[str, Any]:
    """The fields that are *given*, each of its type (text is understood), with a name in any case.

    *check_proxy* is `ProxyBook.check_word`, where there is a list of proxies. What is wrong raises `InvalidValue`.
    """
    try:
        account = msgspec.convert(dict(given), Given, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidValue(f"An account cannot be so: {error}", param=_place(error)) from error
    driver = drivers.get(account.driver)
    if driver is None:
        known = ", ".join(sorted(drivers))
        raise InvalidValue(f"There is no driver {account.driver!r}; there are: {known}.", param="driver")
    host = _host(account.base_url, param="base_url")
    if account.refresh_url is not None:
        _host(account.refresh_url, param="refresh_url")
    if account.proxy is not None:
        check_proxy(account.proxy)
    fields = {name: getattr(account, name) for name in given}
    wrong = next((name for name, value in fields.items() if isinstance(value, str) and not value.isprintable()), None)
    if wrong is not None:
        raise InvalidValue(f"The {wrong} has characters that cannot be printed.", param=wrong)
    return fields | {"settings": _settings(account.settings, driver), "name": account.name or host}


def forgotten(changed: Collection[str]) -> dict[str, Any]:
    """What is no longer known of an account when these fields of it have *changed*: its engine is asked anew."""
    models = {"models": ()} if {"driver", "base_url"} & {*changed} else {}
    return models | ({"checked_at": None} if _ASKED_WITH & {*changed} else {})


def _host(given: str, *, param: str) -> str:
    try:
        url = URL(given)
    except ValueError as error:
        raise InvalidValue(f"The {param} is no URL: {error}.", param=param) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidValue(f"The {param} is no http or https URL.", param=param)
    return url.host


def _place(error: msgspec.ValidationError) -> str | None:
    """The field that is wrong, where it is one of those that were given."""
    _, _, path = str(error).partition(" - at `$.")
    return path.rstrip("`") or None


def _settings(given: dict[str, Any], driver: type[Driver]) -> dict[str, Any]:
    """The settings that are *given*, of the driver's types."""
    known = driver.settings_type.__struct_fields__
    unknown = given.keys() - set(known)
    if unknown:
        raise InvalidValue(
            f"The driver knows no {', '.join(sorted(unknown))}; it knows {', '.join(known)}.", param="settings"
        )
    try:
        settings = msgspec.convert(given, driver.settings_type, strict=False)
    except msgspec.ValidationError as error:
        place = ".".join(filter(None, ("settings", _place(error))))
        raise InvalidValue(f"The driver's settings cannot be so: {error}", param=place) from error
    return {name: getattr(settings, name) for name in given}
