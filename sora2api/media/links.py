"""Links: signed, expiring addresses of kept files that need no key.

The token stands in the path and the path ends in the file's extension, since chat programs recognise a video by that.
"""

import base64
import hmac
import time
from functools import lru_cache
from typing import Final

from sora2api.errors import Gone, NotFound
from sora2api.media.sniff import EXTENSIONS
from sora2api.modes import Media

PREFIX: Final = "/m"
_TIME: Final = 5
_SIGNATURE: Final = 16
_SIGNED: Final = 4096


class Links:
    """Makes and reads the paths of links. *lifetime* in seconds."""

    def __init__(self, key: bytes, *, lifetime: float) -> None:
        self._key = key
        self._lifetime = lifetime
        # who asks for a video again is given the same link: signing is what costs most of telling it
        self._signed = lru_cache(maxsize=_SIGNED)(self._sign)

    def path(self, media: Media, *, until: float | None = None) -> str:
        """The link's path, for an asset that is kept *until* then."""
        expires = int(min(until or float("inf"), time.time() + self._lifetime)).to_bytes(_TIME)
        token = base64.urlsafe_b64encode(expires + self._signed(media.asset, expires)).rstrip(b"=").decode()
        return f"{PREFIX}/{token}/{media.asset}{EXTENSIONS[media.content_type]}"

    def asset(self, token: str, file: str) -> str:
        """The id of the asset that a link's path names. Raises `NotFound` for a wrong token, `Gone` for an old one."""
        asset = file.partition(".")[0]
        try:
            signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise NotFound from None
        expires, signature = signed[:_TIME], signed[_TIME:]
        if not hmac.compare_digest(signature, self._sign(asset, expires)):
            raise NotFound
        if int.from_bytes(expires) < time.time():
            raise Gone("The link has expired.")
        return asset

    def _sign(self, asset: str, expires: bytes) -> bytes:
        return hmac.digest(self._key, expires + asset.encode(), "sha256")[:_SIGNATURE]
