"""Signatures by which a receiver knows that a delivery is ours (https://www.standardwebhooks.com)."""

import base64
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Final

from sora2api.store.secrets import Secrets

PREFIX: Final = "whsec_"
_BYTES: Final = 33  # base64 of it needs no padding


def new_secret() -> str:
    return _written(secrets.token_bytes(_BYTES))


def hint_of(secret: str) -> str:
    """What is shown of a secret that is not shown again."""
    return f"{PREFIX}...{secret[-4:]}"


def signed(webhook_id: str, body: bytes, keys: Sequence[str], *, at: float) -> dict[str, str]:
    """The headers of a delivery, signed with each of the *keys*: a receiver is content with any of them."""
    timestamp = str(int(at))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    digests = [hmac.digest(base64.b64decode(key.removeprefix(PREFIX)), content, "sha256") for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


class Signer:
    """Seals the secrets that are kept, and derives those that are not."""

    def __init__(self, vault: Secrets) -> None:
        self._vault = vault

    def seal(self, secret: str) -> bytes:
        return self._vault.seal(secret)

    def in_force(self, secret: bytes, old_secret: bytes | None, old_until: float | None) -> tuple[str, ...]:
        """An endpoint's sealed secrets, opened: the new one, and the old one as long as it holds."""
        old = (old_secret,) if old_secret is not None and (old_until or 0.0) > time.time() else ()
        return tuple(self._vault.unseal(sealed) for sealed in (secret, *old))

    def callback_secret(self, owner: str) -> str:
        """What signs deliveries to an owner's `callback_url`s. Derived, so it is always the same and kept nowhere."""
        return _written(self._vault.derived(f"callbacks of {owner}"))


def _written(key: bytes) -> str:
    return PREFIX + base64.b64encode(key).decode()
