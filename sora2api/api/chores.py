"""The requests that chat programs send by themselves, for titles and tags: a short text is what they want, not a video.

Open WebUI begins them with "### Task:" and asks for JSON; LibreChat and others ask for a short title of a conversation.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

_TITLE: Final = "Made with sora2api"

_CHORES: Final = (
    (re.compile(r"^\s*### Task:.*\btitle\b", re.IGNORECASE | re.DOTALL), f'{{"title": "{_TITLE}"}}'),
    (re.compile(r"^\s*### Task:.*\btags?\b", re.IGNORECASE | re.DOTALL), '{"tags": ["media"]}'),
    (re.compile(r"^\s*### Task:.*\bfollow-?up", re.IGNORECASE | re.DOTALL), '{"follow_ups": []}'),
    (re.compile(r"^\s*### Task:.*\bsearch quer", re.IGNORECASE | re.DOTALL), '{"queries": []}'),
    (re.compile(r"^\s*### Task:.*\bautocomplet", re.IGNORECASE | re.DOTALL), '{"text": ""}'),
    (re.compile(r"\bconcise\b[^\n]*\btitle\b[^\n]*\bconversation\b", re.IGNORECASE), _TITLE),
    (
        re.compile(
            r"\b(summari[sz]e|generate|write|create)\b[^\n]*\b(chat|conversation)\b[^\n]*\btitle\b", re.IGNORECASE
        ),
        _TITLE,
    ),
    (
        re.compile(
            r"^\s*(please )?(generate|give|provide|write)\b[^\n]*\btitle\b[^\n]*\b(conversation|chat|dialogue)\b",
            re.IGNORECASE,
        ),
        _TITLE,
    ),
)


class Part(Protocol):
    """A part of a message."""

    text: str | None


def chore(content: str | Sequence[Part] | None) -> str | None:
    """The short answer to a last message that is a chat program's own; None for a person's."""
    if content is None:
        return None
    text = content if isinstance(content, str) else "\n".join(part.text or "" for part in content)
    return next((answer for pattern, answer in _CHORES if pattern.search(text)), None)
