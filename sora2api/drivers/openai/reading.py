"""An engine's answers read: the Video object and images, tolerantly, since every engine has its own habits."""

import asyncio
import binascii
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

from msgspec.structs import replace

from sora2api import errors
from sora2api.drivers import Remote, Seen, TaskState
from sora2api.drivers.openai.refusals import Complaint, failure

logger = logging.getLogger(__name__)

Status = Literal["queued", "in_progress", "completed", "failed"]
_STATUSES: Final[dict[Status, frozenset[str]]] = {
    "queued": frozenset({"queued", "pending", "submitted", "not_start", "created", "preparing", "unknown"}),
    "in_progress": frozenset({"in_progress", "processing", "running", "generating"}),
    "completed": frozenset({"completed", "succeeded", "done", "success", "finished"}),
    "failed": frozenset({"failed", "error", "cancelled", "canceled", "expired", "deleted"}),
}
_STATUS: Final = {word: status for status, words in _STATUSES.items() for word in words}
_SLICE: Final = 256 * 1024
_CLOCKS_AGREE: Final = timedelta(seconds=5)
_YEAR_9999: Final = 253_370_764_800
_unknown_statuses: set[str] = set()


def is_video(body: Any) -> bool:
    """Tell whether *body* is a Video object, which even an error answer may bring (vLLM-Omni, for failed ones)."""
    return isinstance(body, dict) and body.get("object") == "video" and isinstance(body.get("id"), str)


async def video(body: Mapping[str, Any]) -> TaskState:
    """Read a Video object; its `id` must be a text."""
    word = str(body.get("status", "unknown")).lower()
    status = _status(word)
    return TaskState(
        id=body["id"],
        status=status,
        progress=100 if status == "completed" else _progress(body.get("progress")),
        error=failure(word, Complaint.of(body.get("error"))) if status == "failed" else None,
        outputs=await _outputs(body) if status == "completed" else (),
        seen=_seen(body),
    )


async def images(body: Any, *, key: str) -> TaskState:
    """Read an ImagesResponse as the completed task *key*; raise `NetworkFault` where it brings no image."""
    items = body.get("data") if isinstance(body, dict) else None
    outputs = await _inline(items)
    if not outputs:
        raise errors.NetworkFault("The engine's answer brings no image.")
    return TaskState(id=key, status="completed", progress=100, outputs=outputs)


def _status(word: str) -> Status:
    status = _STATUS.get(word)
    if status is None:
        if word not in _unknown_statuses:
            _unknown_statuses.add(word)
            logger.warning("an engine names a status that is not known here: %r", word[:40])
        return "in_progress"
    return status


def _progress(value: Any) -> int | None:
    try:
        return min(100, max(0, int(float(value))))
    except (TypeError, ValueError, OverflowError):
        return None


async def _outputs(body: Mapping[str, Any]) -> tuple[Remote, ...]:
    """Where a finished video is: in the answer itself, at a URL, or (the shape's own way) at /content."""
    if inline := await _inline(body.get("data")):
        return inline
    nested = body.get("video")
    url = body.get("url") or (nested.get("url") if isinstance(nested, dict) else None)
    return (Remote(url=url if isinstance(url, str) else None),)


async def _inline(items: Any) -> tuple[Remote, ...]:
    outputs = []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict):
            continue
        if isinstance(data := item.get("b64_json"), str) and data:
            outputs.append(Remote(data=await _decode(data)))
        elif isinstance(url := item.get("url"), str):
            outputs.append(Remote(url=url))
    return tuple(outputs)


async def _decode(text: str) -> bytes:
    """Decode base64 in slices, since decoding holds the interpreter for some 5 ms a megabyte."""
    data = bytearray()
    text = text.rpartition(",")[2]  # some gateways send a data URL
    try:
        for start in range(0, len(text), _SLICE):
            data += binascii.a2b_base64(text[start : start + _SLICE], strict_mode=True)
            await asyncio.sleep(0)
    except ValueError as exc:
        raise errors.NetworkFault("The engine's answer brings no valid base64.") from exc
    return bytes(data)


def _seen(body: Mapping[str, Any]) -> Seen | None:
    created = _number(body.get("created_at", body.get("created")))
    if created is None or not 0 <= created < _YEAR_9999:
        return None
    return Seen(
        created_at=datetime.fromtimestamp(created, UTC),
        prompt=_text(body.get("prompt")),
        size=_text(body.get("size")),
        seconds=_number(body.get("seconds")),
        source=_text(body.get("remixed_from_video_id")),
    )


def clocks_apart(headers: Mapping[str, str]) -> timedelta:
    """By how much the engine's clock, by the Date of its answer, is ahead of ours; nothing, if that is hardly any."""
    try:
        apart = parsedate_to_datetime(headers.get("Date", "")) - datetime.now(UTC)
    except (ValueError, TypeError):  # no date, or one without a zone
        return timedelta()
    return apart if abs(apart) > _CLOCKS_AGREE else timedelta()


def by_our_clock(state: TaskState, apart: timedelta) -> TaskState:
    """Tell by our clock when a listed task was made."""
    if state.seen is None or not apart:
        return state
    return replace(state, seen=replace(state.seen, created_at=state.seen.created_at - apart))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
