"""The limits of an API key as options of commands, and in words."""

from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import click
import msgspec

from sora2api.auth.limits import MOST_REQUESTS, UNLIMITED, Limits, Quota
from sora2api.auth.moments import moment
from sora2api.errors import InvalidValue

Function = TypeVar("Function", bound=Callable[..., Any])

_MILLION: Final = 1_000_000


class Money(click.ParamType[int]):
    """An amount of the operator's currency, as millionths."""

    name = "money"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            millionths = Decimal(value) * _MILLION
        except InvalidOperation:
            millionths = Decimal("NaN")
        if not millionths.is_finite() or millionths < 0:
            self.fail(f"{value!r} is no amount of money, as 12.50 is.", param, ctx)
        return round(millionths)


class Moment(click.ParamType[float]):
    """A time from now (30d, 12h, 90m), or a day or time in UTC; as seconds since the epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return moment(value)
        except InvalidValue as error:
            return self.fail(error.message, param, ctx)


def money(millionths: int) -> str:
    return f"{Decimal(millionths) / _MILLION:.6f}".rstrip("0").rstrip(".")


_NUMBER: Final = click.IntRange(0)
_OPTIONS: Final[tuple[tuple[str, str, str | None, str, Any], ...]] = (
    # the option, the field and the window that it sets, its help, its type; many where there is none
    ("mode", "modes", None, "A mode that it may be used for; may be repeated.", None),
    ("model", "models", None, "A model that it may ask for; may be repeated.", None),
    ("network", "networks", None, "Where its clients call from, as in 192.0.2.0/24; may be repeated.", None),
    ("group", "group", None, "The group of accounts that works for it.", str),
    ("requests-a-minute", "requests_a_minute", None, "How often it may call.", click.IntRange(1, MOST_REQUESTS)),
    ("jobs-in-flight", "jobs_in_flight", None, "How many of its jobs may be under way at once.", _NUMBER),
    *(
        option
        for often, window in (("daily", "day"), ("monthly", "month"))
        for option in (
            (f"{often}-jobs", "jobs", window, f"How many jobs may be made for it a {window}.", _NUMBER),
            (f"{often}-seconds", "seconds", window, f"How many seconds of video a {window}.", click.FloatRange(0)),
            (f"{often}-money", "money", window, f"For how much money, in your currency, a {window}.", Money()),
        )
    ),
)
CLEARABLE: Final = ("expires", *(option for option, *_ in _OPTIONS))


def limit_options(function: Function) -> Function:
    """An option for each limit; None or empty where it is not given."""
    for option, _field, _window, words, kind in reversed(_OPTIONS):
        function = click.option(f"--{option}", type=kind, multiple=kind is None, help=words)(function)
    return function


def changed(limits: Limits, given: Mapping[str, Any], *, clear: Collection[str] = ()) -> Limits:
    """*limits* with those of the options that are *given*, and without those to *clear*."""
    fields: dict[str, Any] = {}
    quotas: dict[str, dict[str, Any]] = {"day": {}, "month": {}}
    for option, field, window, _words, kind in _OPTIONS:
        value = given[option.replace("-", "_")]
        if option in clear:
            value = () if kind is None else None
        elif value in (None, ()):
            continue
        (fields if window is None else quotas[window])[field] = value
    for window, values in quotas.items():
        quota: Quota = getattr(limits, window)
        # What is without limit is left out of JSON only as the default itself.
        fields[window] = msgspec.structs.replace(quota, **values) or getattr(UNLIMITED, window)
    return msgspec.structs.replace(limits, **fields)


def words(limits: Limits) -> Iterator[tuple[str, str]]:
    """Each limit that is set, by the name of its option, and what it says."""
    for option, field, window, _words, _kind in _OPTIONS:
        value = getattr(limits if window is None else getattr(limits, window), field)
        if value in (None, ()):
            continue
        if field == "money":
            value = money(value)
        yield option, ", ".join(value) if isinstance(value, tuple) else f"{value}"
