"""What `sora2api generate` asks of a server: the order, and its wire formats (OpenAI's Videos, Images and Chat)."""

import base64
import hashlib
import mimetypes
import re
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from sora2api.cli.remote import Form

Kind = Literal["image", "video"]

_SHARED: Final = re.compile(r"s_[0-9a-f]{32}")
_SHOT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*s?\s*:\s*(.+?)\s*")
_WORDS: Final = re.compile(r"[^\w]+")
_LONGEST_NAME: Final = 48
_EXTENSIONS: Final[dict[Kind, str]] = {"image": ".png", "video": ".mp4"}


class Order(Struct, frozen=True, kw_only=True):
    """What is wanted. *seconds*, *size* and *model* not given are the server's own."""

    prompt: str
    model: str | None
    images: tuple[Path, ...]
    video: Path | None
    remix: str | None
    characters: tuple[str, ...]
    size: str | None
    seconds: float | None
    n: int

    def digest(self, server: str) -> str:
        """What tells this order, of this server, from others: the contents of its files count, not their names."""
        words = msgspec.structs.replace(self, images=(), video=None)
        summed = hashlib.sha256(msgspec.json.encode((server, words, len(self.images), self.video is not None)))
        for path in (*self.images, *((self.video,) if self.video else ())):
            with path.open("rb") as file:
                summed.update(hashlib.file_digest(file, "sha256").digest())
        return summed.hexdigest()

    def file_name(self, kind: Kind, number: int) -> str:
        """A file's name from the prompt, the first without a number."""
        stem = _WORDS.sub("-", self.prompt.lower())[:_LONGEST_NAME].strip("-_") or kind
        return f"{stem}{_EXTENSIONS[kind]}" if number == 1 else f"{stem}-{number}{_EXTENSIONS[kind]}"


def shot(line: str) -> str | None:
    """A shot, written `5: words` or `2.5s: words`, as prompts have it; None where it is none."""
    parts = _SHOT.fullmatch(line)
    return None if parts is None else f"[{float(parts[1]):.1f}s]{parts[2]}"


def video_request(order: Order) -> tuple[str, Form]:
    """The path under /v1, and what to post there; forms as OpenAI's SDKs send them, since some servers take nothing
    else.
    """
    fields = _fields(order)
    if order.seconds is not None:
        fields["seconds"] = f"{order.seconds:g}"
    if order.remix is not None and _SHARED.search(order.remix) is None:
        return f"videos/{order.remix}/remix", Form(fields=fields)
    if order.video is not None:
        return "videos/edits", Form(fields=fields, files=(("video", order.video),), multipart=True)
    ids = [{"id": character} for character in order.characters if not _is_name(character)]
    if ids:
        fields["characters"] = ids
    files = tuple(("input_reference", path) for path in order.images)
    return "videos", Form(fields=fields, files=files, multipart=True)


def image_request(order: Order) -> tuple[str, Form]:
    fields = _fields(order) | ({"n": order.n} if order.n > 1 else {})
    if not order.images:
        return "images/generations", Form(fields=fields)
    name = "image" if len(order.images) == 1 else "image[]"
    return "images/edits", Form(fields=fields, files=tuple((name, path) for path in order.images), multipart=True)


def chat_request(order: Order) -> tuple[str, Form]:
    files = [("image_url", path) for path in order.images]
    files += [("video_url", order.video)] if order.video else []
    parts: list[dict[str, Any]] = [{"type": "text", "text": _words(order)}]
    parts += [{"type": kind, kind: {"url": _data_url(path)}} for kind, path in files]
    fields = {name: value for name, value in _fields(order).items() if name != "prompt"}
    return "chat/completions", Form(fields=fields | {"messages": [{"role": "user", "content": parts}]})


def _fields(order: Order) -> dict[str, Any]:
    given = {"prompt": _words(order), "model": order.model, "size": order.size}
    return {name: value for name, value in given.items() if value is not None}


def _words(order: Order) -> str:
    """The prompt, with what else is said by words: a share id, the characters' names."""
    names = [character for character in order.characters if _is_name(character) and character not in order.prompt]
    shared = [order.remix] if order.remix and _SHARED.search(order.remix) else []
    return " ".join([*shared, *names, order.prompt])


def _is_name(character: str) -> bool:
    return character.startswith("@")


def _data_url(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
