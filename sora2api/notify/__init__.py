"""Webhooks: a table of what is still to be told, and what tells it (signatures: Standard Webhooks)."""

from dataclasses import dataclass

from sora2api.notify.alerts import Alerts, Told, Trouble, told
from sora2api.notify.deliveries import Deliveries, Delivery
from sora2api.notify.endpoints import Endpoint, Endpoints
from sora2api.notify.events import ALERTS, EVENT_TYPES, JobEnd
from sora2api.notify.sender import Sender
from sora2api.notify.signing import Signer

__all__ = [
    "ALERTS",
    "EVENT_TYPES",
    "Alerts",
    "Deliveries",
    "Delivery",
    "Endpoint",
    "Endpoints",
    "JobEnd",
    "Sender",
    "Signer",
    "Told",
    "Trouble",
    "Webhooks",
    "told",
]


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the API works with."""

    endpoints: Endpoints
    deliveries: Deliveries
    signer: Signer
    sender: Sender
