"""The parts of one chat reply: chunks of a stream, or the whole (wire format: OpenAI's)."""

import secrets
import time
from typing import Any, Final, Literal

from sora2api.api.messages import Chat

_USAGE: Final = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
"""Nothing here is counted in tokens."""


class Chunks:
    """Makes the parts of the reply to a *chat*; *beside* is what they say of its job."""

    def __init__(self, chat: Chat) -> None:
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._model = chat.model
        self._usage_wanted = bool(chat.stream_options and chat.stream_options.include_usage)

    def chunk(
        self, delta: dict[str, str], beside: dict[str, Any], *, finish: Literal["stop"] | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self._usage_wanted else {}
        return self._part("chat.completion.chunk", [choice]) | usage | beside

    def ending(self, beside: dict[str, Any]) -> list[dict[str, Any]]:
        """The last chunks; the very last is for those who asked for it."""
        usage = self._part("chat.completion.chunk", []) | {"usage": _USAGE} | beside
        return [self.chunk({}, beside, finish="stop"), *([usage] if self._usage_wanted else [])]

    def whole(self, content: str, beside: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": content, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return self._part("chat.completion", [choice]) | {"usage": _USAGE} | beside

    def _part(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model, "choices": choices}
