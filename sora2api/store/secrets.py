"""Secrets at rest: one key, from the environment or a file that only its owner reads."""

import base64
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sora2api.errors import Sora2ApiError

FILE: Final = "secret.key"
VARIABLE: Final = "SORA2API_SECRET_KEY"
_NONCE: Final = 12


class WrongSecretKey(Sora2ApiError):
    """The secret key is not the one that this data was sealed with."""

    code = "wrong_secret_key"


class Secrets:
    """Seals and opens with AES-GCM; derives further keys from the same one."""

    def __init__(self, key: bytes) -> None:
        self._root = key
        self._seal = AESGCM(self.derived("seal"))

    @classmethod
    def open(cls, folder: Path) -> "Secrets":
        """The key of `SORA2API_SECRET_KEY` (any text), else of the file in *folder*, made at the first start."""
        given = os.environ.get(VARIABLE)
        if given:
            return cls(sha256(given.encode()).digest())
        path = folder / FILE
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(base64.b64decode(path.read_bytes()))
        key = secrets.token_bytes(32)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(key))
            file.flush()
            os.fsync(file.fileno())
        return cls(key)

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one *purpose*."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(self._root)

    def seal(self, text: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._seal.encrypt(nonce, text.encode(), None)

    def unseal(self, sealed: bytes) -> str:
        try:
            return self._seal.decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
        except InvalidTag as error:
            raise WrongSecretKey from error
