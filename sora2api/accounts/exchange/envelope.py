"""Accounts under a passphrase: scrypt makes the key, AES-256-GCM seals the document."""

import base64
import secrets
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Meta, Struct

from sora2api.errors import InvalidValue

VERSION: Final = 1
_COST: Final = 2**17
_SALT: Final = 16
_NONCE: Final = 12


class Envelope(Struct, frozen=True, kw_only=True):
    """What seals a document; in JSON, bytes are base64. The limits keep a strange file from taking all memory."""

    kdf: Literal["scrypt"] = "scrypt"
    n: Annotated[int, Meta(ge=2, le=2**20)] = _COST
    r: Annotated[int, Meta(ge=1, le=16)] = 8
    p: Annotated[int, Meta(ge=1, le=4)] = 1
    salt: bytes
    cipher: Literal["aes-256-gcm"] = "aes-256-gcm"
    nonce: Annotated[bytes, Meta(min_length=_NONCE, max_length=_NONCE)]
    data: bytes


def sealed(document: bytes, passphrase: str) -> bytes:
    """The *document* under *passphrase*, as a JSON object. Takes half a second; blocking."""
    if not passphrase:
        raise InvalidValue("The passphrase is empty.", param="passphrase")
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    bare = Envelope(salt=salt, nonce=nonce, data=b"")
    envelope = msgspec.structs.replace(bare, data=_cipher(bare, passphrase).encrypt(nonce, document, _header(bare)))
    return msgspec.json.encode({"sora2api": VERSION, "encrypted": envelope})


def opened(envelope: Envelope, passphrase: str) -> bytes:
    """The document in an *envelope*. Raises `InvalidValue` where the passphrase is wrong. Blocking."""
    try:
        return _cipher(envelope, passphrase).decrypt(envelope.nonce, envelope.data, _header(envelope))
    except InvalidTag as error:
        raise InvalidValue("The passphrase is wrong, or the file is damaged.", param="passphrase") from error


def _cipher(envelope: Envelope, passphrase: str) -> AESGCM:
    if envelope.n & (envelope.n - 1):
        raise InvalidValue("The file is damaged: scrypt's n is a power of two.")
    key = Scrypt(salt=envelope.salt, length=32, n=envelope.n, r=envelope.r, p=envelope.p).derive(passphrase.encode())
    return AESGCM(key)


def _header(envelope: Envelope) -> bytes:
    """What is not sealed, and yet cannot be changed."""
    salt = base64.b64encode(envelope.salt).decode()
    return f"sora2api {VERSION} {envelope.kdf} {envelope.n} {envelope.r} {envelope.p} {salt}".encode()
