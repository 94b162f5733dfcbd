"""Webhooks: a table of what is still to be told, and what tells it (signatures: Standard Webhooks)."""

from dataclasses import dataclass

from sora2api.notify.deliveries import Deliveries, Delivery
from sora2api.notify.endpoints import Endpoint, Endpoints
from sora2api.notify.events import EVENT_TYPES, JobEnd
from sora2api.notify.sender import Sender
from sora2api.notify.signing import Signer

__all__ = ["EVENT_TYPES", "Deliveries", "Delivery", "Endpoint", "Endpoints", "JobEnd", "Sender", "Signer", "Webhooks"]


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the API works with."""

    endpoints: Endpoints
    deliveries: Deliveries
    signer: Signer
    sender: Sender
