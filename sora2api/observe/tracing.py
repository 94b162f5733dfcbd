"""Whether traces are wanted, by OpenTelemetry's own environment variables; without them nothing of it is loaded."""

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from sora2api.observe.traces import Traces

Value = str | bool | int | float

log = logging.getLogger(__name__)

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Piece(Struct, frozen=True, kw_only=True):
    """A part of a job's work, as its span is to be; times are in seconds since the epoch, *code* that of its error."""

    name: str
    begun: float
    ended: float
    code: str | None
    facts: Mapping[str, Value]


def open_traces() -> "Traces | None":
    """What makes traces and sends them to the endpoint that the environment names; None: they are not wanted."""
    if not any(os.environ.get(name) for name in _ENDPOINTS) or _switched_off():
        return None
    try:
        from sora2api.observe.traces import Traces
    except ImportError:
        log.warning("no traces are made: sora2api[otel] is not installed")
        return None
    return Traces()


def _switched_off() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return disabled or os.environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
