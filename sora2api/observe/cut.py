"""Cutting out of logged bodies what has no place in a log: secrets, files in base64, and, if so wished, all words."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

import orjson

T = TypeVar("T")

LARGEST_BODY: Final = 64 * 1024
_LONGEST_TEXT: Final = 32 * 1024
_MOST_ITEMS: Final = 5000
_LONG: Final = 512
"""Text of so many characters that is nothing but base64 is a file."""

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?[^,]{0,100};base64,", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-\s]++={0,2}+\s*")
_SECRET_NAME: Final = re.compile(
    r"(authorization|passw(or)?d|passphrase|secret|credential|cookie|api[_-]?key|(^|[_-])(token|bearer))s?$",
    re.IGNORECASE,
)
_SECRET: Final = re.compile(
    r"(?P<kept>://)[^/\s:@\"]*:[^/\s@\"]*(?=@)"  # of a URL, user and password
    r"|whsec_[\w+/=-]+"
    r"|\bsk-[\w-]{16,}"
    r"|(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]*"  # a JWT; nothing is tried twice, so that no text takes long
    r"|(?P<word>\b(?:Bearer|Basic|Key)\s+)[\w.~+/=-]{12,}"
    r"|(?P<link>/m/)[\w-]{20,}(?=/)"  # what opens a kept file without a key
)
_MARKS: Final = ("://", "whsec_", "sk-", "eyJ", "Bearer", "Basic", "Key", "/m/")
"""What a text with a secret in it has."""
_PLAIN: Final = re.compile(r"[\w.:/@+-]{1,100}")
_PLAIN_NAMES: Final = frozenset(
    (
        *("code", "content_type", "engine", "event", "filename", "finish_reason", "format", "id", "job", "mode"),
        *(
            "model",
            "object",
            "output_format",
            "param",
            "purpose",
            "quality",
            "remixed_from_video_id",
            "response_format",
        ),
        *("role", "seconds", "size", "status", "type"),
    )
)
"""Fields whose values are no words of a client's prompt."""


def body(value: Any, *, words: bool) -> bytes:
    """*value* as JSON, cut; of a body that is too large, what it begins with. Without *words*, none of a prompt."""
    cut = orjson.dumps(_Cutter(words=words).cut("", value), option=orjson.OPT_NON_STR_KEYS, default=str)
    if len(cut) <= LARGEST_BODY:
        return cut
    return orjson.dumps(cut[: LARGEST_BODY // 2].decode(errors="ignore") + f"… <{len(cut)} bytes>")


def text(value: str) -> str:
    """*value* without secrets."""
    if not any(mark in value for mark in _MARKS):  # most have none, and this is told ten times sooner
        return value
    return _SECRET.sub(lambda found: "".join(filter(None, found.groups())) + "<cut>", value)


class _Cutter:
    """Goes through a body, at most so many items and so much text of it, so that none takes long."""

    def __init__(self, *, words: bool) -> None:
        self._words = words
        self._left = _MOST_ITEMS
        self._room = 2 * LARGEST_BODY

    def cut(self, name: str, value: Any) -> Any:
        self._left -= 1
        if self._full():
            return "<more>"
        if isinstance(value, str):
            kept = self._text(name, value)
            self._room -= len(kept)
            return kept
        if isinstance(value, dict):
            return {str(key)[:200]: self.cut(str(key), item) for key, item in self._some(value.items())}
        if isinstance(value, list | tuple):
            return [self.cut(name, item) for item in self._some(value)]
        return value

    def _some(self, items: Iterable[T]) -> Iterator[T]:
        """No more of the *items* than may still be looked at, and one, which says that there were more."""
        for item in items:
            yield item
            if self._full():
                return

    def _full(self) -> bool:
        return self._left < 0 or self._room < 0

    def _text(self, name: str, value: str) -> str:
        if _SECRET_NAME.search(name):
            return "<cut>"
        file = _file(value)
        if file is not None:
            return file
        if not self._words and not (name in _PLAIN_NAMES and _PLAIN.fullmatch(value)):
            return f"<{len(value)} characters>"
        if len(value) > _LONGEST_TEXT:
            return text(value[:_LONGEST_TEXT]) + f"… <{len(value)} characters>"
        return text(value)


def _file(value: str) -> str | None:
    """What stands for a file that was sent as text; None: it is none."""
    head = _DATA_URL.match(value)
    if head is not None:
        return f"<{head[1] or 'data'}, {(len(value) - head.end()) * 3 // 4} bytes>"
    if len(value) >= _LONG and " " not in value[:_LONG] and _BASE64.fullmatch(value[:_LONG]):
        return f"<base64, {len(value) * 3 // 4} bytes>"
    return None
