"""What an engine's complaint means: by its code, then by its status, never by the words of its message."""

from collections.abc import Mapping
from typing import Any, Final, Self

from msgspec import Struct

from sora2api import errors
from sora2api.drivers.openai.dialects import Dialect
from sora2api.egress import Reply, refusal
from sora2api.egress.refusals import retry_after

_POLICY: Final = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        "content_filter",
        "content_policy",
        "policy_violation",
        "safety_violation",
        "input_moderation",
        "output_moderation",
        "responsibleaipolicyviolation",
    }
)
_QUOTA: Final = frozenset(
    {
        "insufficient_quota",
        "insufficient_user_quota",
        "billing_hard_limit_reached",
        "quota_exceeded",
        "quota_exhausted",
        "budget_exceeded",
    }
)
_MODEL: Final = frozenset({"model_not_found", "model_mismatch", "model_not_available", "unknown_model"})
_ENDS: Final = {
    "cancelled": errors.TaskCancelled,
    "canceled": errors.TaskCancelled,
    "deleted": errors.TaskCancelled,
    "expired": errors.TaskExpired,
}
_LONGEST_MESSAGE: Final = 1000


class Complaint(Struct, frozen=True, kw_only=True):
    """What an engine says is wrong, in whichever of the usual forms."""

    words: frozenset[str] = frozenset()
    """The code and the type, in small letters."""
    number: int | None = None
    """The code, where it is an HTTP status (vLLM-Omni)."""
    message: str | None = None
    param: str | None = None

    @classmethod
    def of(cls, said: Any) -> Self:
        """Read an error: OpenAI's object, or only a text (TensorRT-LLM, Dynamo)."""
        if isinstance(said, str):
            return cls(message=said[:_LONGEST_MESSAGE] or None)
        if not isinstance(said, Mapping):
            return cls()
        code, kind, message, param = (said.get(name) for name in ("code", "type", "message", "param"))
        return cls(
            words=frozenset(word.lower() for word in (code, kind) if isinstance(word, str)),
            number=code if isinstance(code, int) else None,
            message=message[:_LONGEST_MESSAGE] if isinstance(message, str) else None,
            param=param if isinstance(param, str) else None,
        )

    @classmethod
    def in_body(cls, body: Any) -> Self:
        """Read an error answer: OpenAI's envelope, FastAPI's `detail`, or vLLM's bare object."""
        if not isinstance(body, Mapping):
            return cls()
        for name in ("error", "detail"):
            if name in body:
                return cls.of(body[name])
        return cls.of(body)


def refused(reply: Reply, *, dialect: Dialect | None = None) -> errors.EngineError:
    """Return what an answer of status 400 or more means."""
    complaint = Complaint.in_body(_json(reply))
    if known := _by_words(complaint, wait=retry_after(reply.headers)):
        return known
    # vLLM-Omni gives no code for this one, so its words, which are documented, must do.
    words = dialect.mismatch if dialect is not None else None
    if words is not None and reply.status == 400 and words in (complaint.message or ""):
        return errors.NotServedHere(complaint.message)
    return refusal(reply.status, reply.headers, message=complaint.message, param=complaint.param)


def failure(word: str, complaint: Complaint) -> errors.EngineError:
    """Return why a task ended that the engine calls *word*; an engine that does not say has failed."""
    if word in _ENDS:
        return _ENDS[word](complaint.message)
    if known := _by_words(complaint):
        return known
    if complaint.number is not None and 400 <= complaint.number < 500:
        return errors.BadRequest(complaint.message, param=complaint.param)
    if "invalid_request_error" in complaint.words:
        return errors.BadRequest(complaint.message, param=complaint.param)
    return errors.EngineFault(complaint.message, param=complaint.param)


def _by_words(complaint: Complaint, *, wait: float | None = None) -> errors.EngineError | None:
    for words, kind in (
        (_POLICY, errors.PolicyRefusal),
        (_QUOTA, errors.QuotaExhausted),
        (_MODEL, errors.NotServedHere),
    ):
        if words & complaint.words:
            return kind(complaint.message, param=complaint.param, retry_after=wait)
    return None


def _json(reply: Reply) -> Any:
    try:
        return reply.json()
    except errors.EngineFault:
        return None
