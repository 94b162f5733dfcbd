"""When a token ends, as far as it tells itself: by the claims `exp` and `iat` of a JSON Web Token (RFC 7519, 4.1)."""

from base64 import urlsafe_b64decode

import msgspec
from msgspec import Struct


class _Claims(Struct):
    exp: float | None = None
    iat: float | None = None


def expiry(token: str | None) -> float | None:
    """Seconds since the epoch; None: the token is no JWT, or does not say. Its signature is its engine's affair."""
    return _claims(token).exp


def lifetime(token: str | None) -> float | None:
    """How many seconds a token lasts from its issue, where it says both."""
    claims = _claims(token)
    return None if claims.exp is None or claims.iat is None or claims.exp <= claims.iat else claims.exp - claims.iat


def _claims(token: str | None) -> _Claims:
    parts = (token or "").split(".")
    if len(parts) != 3:
        return _Claims()
    try:
        claims = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(claims, type=_Claims)
    except (msgspec.MsgspecError, ValueError):
        return _Claims()
