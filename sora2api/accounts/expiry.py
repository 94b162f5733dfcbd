"""When a token ends, as far as the token itself tells: the claim `exp` of a JSON Web Token (RFC 7519, 4.1.4)."""

import binascii
from base64 import urlsafe_b64decode
from math import isfinite

import msgspec
from msgspec import Struct


class _Claims(Struct):
    exp: float | None = None


def expiry(token: str | None) -> float | None:
    """Seconds since the epoch; None: the token is no JWT, or does not say. Its signature is its engine's affair."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        exp = msgspec.json.decode(claims, type=_Claims).exp
    except (binascii.Error, ValueError):  # msgspec's errors are ValueErrors
        return None
    return exp if exp is not None and isfinite(exp) else None
