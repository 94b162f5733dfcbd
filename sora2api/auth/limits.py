"""What an API key may do, and how much of it: words alone."""

from ipaddress import ip_network
from typing import Final

from msgspec import Struct

from sora2api.errors import InvalidValue

MOST_REQUESTS: Final = 100_000
"""The most requests a minute that a limit can be: each of the last minute is remembered."""

MOST: Final = 2**53 - 1
"""The largest number that all readers of JSON take."""


class Quota(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be made in a day or a month of UTC; None: without limit. *money* is in millionths of the currency."""

    jobs: int | None = None
    seconds: float | None = None
    """Of video."""
    money: int | None = None

    def __bool__(self) -> bool:
        return (self.jobs, self.seconds, self.money) != (None, None, None)


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a key is bound to. What is empty or None is open."""

    modes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Names or aliases; a model may be asked for by each of its names."""
    group: str | None = None
    """The accounts that work for it."""
    networks: tuple[str, ...] = ()
    """Where its clients call from, as in 192.0.2.0/24."""
    requests_a_minute: int | None = None
    jobs_in_flight: int | None = None
    day: Quota = Quota()
    month: Quota = Quota()

    def allow_model(self, *names: str) -> bool:
        """Whether a model of these *names* may be asked for."""
        return not self.models or not set(names).isdisjoint(self.models)


UNLIMITED: Final = Limits()


def checked(limits: Limits) -> Limits:
    """*limits* that make sense. Raises `InvalidValue`."""
    for network in limits.networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise InvalidValue(f"{network!r} is no network, as 192.0.2.0/24 is.", param="networks") from None
    if limits.requests_a_minute is not None and not 0 < limits.requests_a_minute <= MOST_REQUESTS:
        raise InvalidValue(f"Requests a minute are 1 to {MOST_REQUESTS}.", param="requests_a_minute")
    amounts = (limits.jobs_in_flight, *(amount for quota in (limits.day, limits.month) for amount in _amounts(quota)))
    if any(amount is not None and amount < 0 for amount in amounts):
        raise InvalidValue("A limit is not below 0.", param="limits")
    if any(amount is not None and not amount <= MOST for amount in amounts):
        raise InvalidValue(f"A limit is at most {MOST}; to have none, leave it away.", param="limits")
    return limits


def _amounts(quota: Quota) -> tuple[float | None, ...]:
    return quota.jobs, quota.seconds, quota.money
