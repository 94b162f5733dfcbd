"""Tells what a media file is from its first bytes, never from a name or a header."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

HEAD = 256
"""How many bytes of a file are enough; fewer than 12 never are."""

EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {
        "image/png": ".png",
        "image/jpeg": ".jpg",
        "image/webp": ".webp",
        "image/gif": ".gif",
        "image/avif": ".avif",
        "video/mp4": ".mp4",
        "video/quicktime": ".mov",
        "video/webm": ".webm",
        "video/x-matroska": ".mkv",
        "video/x-msvideo": ".avi",
    }
)
"""Content type to file extension, of all that is recognised."""

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF....AVI ", re.DOTALL), "video/x-msvideo"),
    (re.compile(rb"\x1a\x45\xdf\xa3.{1,60}\x42\x82.webm", re.DOTALL), "video/webm"),
    (re.compile(rb"\x1a\x45\xdf\xa3.{1,60}\x42\x82.matroska", re.DOTALL), "video/x-matroska"),
    (re.compile(rb"....(?:moov|mdat|wide)", re.DOTALL), "video/quicktime"),  # before `ftyp` was invented
)
_AVIF = {b"avif", b"avis"}
_HEIF = {b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_MP4 = re.compile(rb"iso.|mp4[12]|mp71|avc1|hvc1|av01|dash|M4VH?|M4V[ P]|MSNV|3g[2p].|f4v |cmf.|XAVC", re.DOTALL)


class Sniffed(msgspec.Struct, frozen=True):
    kind: Literal["image", "video"]
    content_type: str
    extension: str
    """With its dot."""


def sniff(head: bytes) -> Sniffed | None:
    """What the file is that begins with these bytes; None if it is nothing that is understood here."""
    content_type = _of_brands(head) if head[4:8] == b"ftyp" else _of_signature(head)
    if content_type is None:
        return None
    return Sniffed(
        kind="image" if content_type.startswith("image/") else "video",
        content_type=content_type,
        extension=EXTENSIONS[content_type],
    )


def _of_signature(head: bytes) -> str | None:
    return next((content_type for signature, content_type in _SIGNATURES if signature.match(head)), None)


def _of_brands(head: bytes) -> str | None:
    """The kind of an ISO base media file (ISO/IEC 14496-12, 4.3): a major brand, a version, compatible brands."""
    size = int.from_bytes(head[:4])
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, min(size, len(head)), 4))}
    if brands & _AVIF:
        return "image/avif"
    if brands & _HEIF or major.startswith((b"M4A", b"M4B")):
        return None
    if major == b"qt  ":
        return "video/quicktime"
    return "video/mp4" if any(_MP4.fullmatch(brand) for brand in brands) else None
