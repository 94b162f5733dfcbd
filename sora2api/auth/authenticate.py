"""From a request's headers to the API key that makes it, and whether that one may call from there, and so often."""

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs

from sora2api.auth.address import Caller, among, is_loopback_origin, networks
from sora2api.auth.first_start import DEFAULT_KEY, DEFAULT_SECRET, FirstStart
from sora2api.auth.keys import ApiKey, KeyBook
from sora2api.auth.passwords import same
from sora2api.auth.rates import Rate, Rates
from sora2api.errors import AddressNotAllowed, Unauthenticated

_BARE: Final = ("api-key", "x-api-key")


class Authenticator:
    """Knows the keys in force, and whether the default one holds for a caller. Reads memory alone."""

    def __init__(self, keys: KeyBook, first_start: FirstStart) -> None:
        self._keys = keys
        self._first_start = first_start
        self._rates = Rates()

    def authenticate(self, headers: Mapping[str, str], caller: Caller) -> ApiKey:
        """The key given as `Authorization: Bearer`, `api-key` or `x-api-key`; the first given counts.

        Raises `Unauthenticated`, which does not repeat what was given, or `KeyExpired`.
        """
        secret = given(headers)
        if secret is None:
            raise Unauthenticated
        key = self._keys.find(secret)
        if key is not None:
            self._keys.used(key)
            return key
        if not same(secret, DEFAULT_SECRET):
            raise Unauthenticated("This API key is not valid here.")
        origin = headers.get(hdrs.ORIGIN)
        if not self._first_start.default_key_holds(caller) or not (origin is None or is_loopback_origin(origin)):
            raise Unauthenticated(
                "The default API key holds only for programs on the server's own machine, until the first account is "
                "added: make a key with `sora2api key create --name NAME`."
            )
        return DEFAULT_KEY

    def admit(self, key: ApiKey, caller: Caller) -> None:
        """Count a request made with a *key*. Raises `AddressNotAllowed` or `RateLimitExceeded`."""
        limits = key.limits
        if limits.networks and not among(caller.address, networks(limits.networks)):
            raise AddressNotAllowed
        if limits.requests_a_minute is not None:
            self._rates.count(key.id, limits.requests_a_minute)

    def rate(self, key: ApiKey) -> Rate | None:
        """What is left of the requests that a key may make; None: it has no limit."""
        limit = key.limits.requests_a_minute
        return None if limit is None else self._rates.left(key.id, limit)


def given(headers: Mapping[str, str]) -> str | None:
    """The secret in *headers*, None where there is none."""
    scheme, _, bearer = headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    return next((headers[name] for name in _BARE if headers.get(name)), None)
