"""What webhooks tell of: the names of the events, and their bodies (wire format: OpenAI's webhook events)."""

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson
from msgspec import Struct

EVENT_TYPES: Final = ("video.completed", "video.failed", "video.cancelled", "image.completed", "image.failed")
ALERTS: Final = "alerts"
"""Whose the alerts are: their deliveries, and what signs them."""
_SAMPLE: Final = "0" * 32


class JobEnd(Struct, frozen=True, kw_only=True):
    """A job's end, as far as it is told. *kind*: video, image, character; *status*: completed, failed, cancelled.

    *callback_url* is told too, whatever endpoints the owner has.
    """

    job_id: str
    kind: str
    status: str
    owner: str
    callback_url: str | None


def names(end: JobEnd) -> tuple[str, ...]:
    """The events that an end can be told as, the most exact first: who asks for none but the last gets that one."""
    if end.status == "cancelled":
        return (f"{end.kind}.cancelled", f"{end.kind}.failed")
    return (f"{end.kind}.{end.status}",)


def new_id() -> str:
    """The `webhook-id` of a delivery: the same at each attempt, so that a receiver knows what it has had."""
    return f"wh_{secrets.token_hex(16)}"


def body(event_type: str, job_id: str) -> bytes:
    """A new event. It carries the job's id alone: the receiver asks for the rest with its key."""
    return _event(event_type, {"id": job_id})


def alert(event_type: str, data: Mapping[str, Any]) -> bytes:
    """A new event for the operator, in the same envelope."""
    return _event(event_type, data)


def _event(event_type: str, data: Mapping[str, Any]) -> bytes:
    event = {
        "id": f"evt_{secrets.token_hex(16)}",
        "object": "event",
        "created_at": int(time.time()),
        "type": event_type,
        "data": data,
    }
    return orjson.dumps(event)


def sample(event_type: str) -> bytes:
    """An event of no real job."""
    return body(event_type, f"{event_type.partition('.')[0]}_{_SAMPLE}")
