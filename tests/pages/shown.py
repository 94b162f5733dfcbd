"""What a page of docs/ shows: requests, programs, and the replies beneath them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

DOCS: Final = Path(__file__).parents[2] / "docs"
ADDRESS: Final = "http://127.0.0.1:8000"
_FENCE: Final = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SAID: Final = frozenset({"object", "type", "code", "status", "event_type", "deleted", "kind"})
"""What must be the very word that the page shows; of all else the kind of value must be."""


class Shown(NamedTuple):
    """A shell command, and the reply beneath it: JSON or a stream of events; empty where none is shown."""

    command: str
    language: str
    reply: str


def blocks(page: str, language: str) -> list[str]:
    return [text for _, spoken, text in _FENCE.findall((DOCS / page).read_text("utf-8")) if spoken == language]


def requests(page: str) -> Iterator[Shown]:
    """The page's requests by curl in their order, each with the block that stands right beneath it."""
    text = (DOCS / page).read_text("utf-8")
    fences = list(_FENCE.finditer(text))
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        if fence[2] != "bash" or fence[3].startswith("sora2api "):
            continue
        beneath = following is not None and not text[fence.end() : following.start()].strip()
        replied = beneath and following is not None and following[2] in {"json", "text"}
        yield Shown(fence[3], *((following[2], following[3]) if replied and following else ("", "")))


def differences(shown: Any, replied: Any, at: str = "reply") -> list[str]:
    """Where a reply is not as it is *shown*: what is shown must be there, in its kind, and may be a part of it."""
    if isinstance(shown, dict) and isinstance(replied, dict):
        missing = [f"{at}.{key} is missing" for key in shown if key not in replied]
        inside = [(shown[key], replied[key], f"{at}.{key}", key) for key in shown if key in replied]
        unlike = [f"{where} is {there!r}" for said, there, where, key in inside if key in _SAID and said != there]
        return missing + unlike + [line for said, there, where, _ in inside for line in differences(said, there, where)]
    if isinstance(shown, list) and isinstance(replied, list):
        short = [f"{at} has {len(replied)} items"] if len(replied) < len(shown) else []
        pairs = zip(shown, replied, strict=False)
        return short + [line for number, pair in enumerate(pairs) for line in differences(*pair, f"{at}[{number}]")]
    number = isinstance(shown, int | float) and isinstance(replied, int | float)
    return [] if number or type(shown) is type(replied) else [f"{at} is {replied!r}"]


def untold(shown: str, said: str) -> list[str]:
    """The lines of a *shown* stream that were not *said* in this order."""
    lines = iter(said.splitlines())
    return [line for line in filter(None, shown.splitlines()) if not any(_alike(line, other) for other in lines)]


def last_reply(said: str) -> Any:
    """The last of the JSON replies that were printed one after the other."""
    reply = None
    while said := said.strip():
        reply, end = json.JSONDecoder().raw_decode(said)
        said = said[end:]
    return reply


def _alike(shown: str, said: str) -> bool:
    shown_data, said_data = (line.removeprefix("data: ") for line in (shown, said))
    if shown_data.startswith("{") and said_data.startswith("{"):
        return not differences(json.loads(shown_data), json.loads(said_data))
    return shown == said
