"""Outbound HTTP: one session a proxy, foreign errors made ours once, the guarded fetch of client URLs."""

from sora2api.egress.access import Access, Fixed, Route
from sora2api.egress.client import Client, Reply
from sora2api.egress.forms import FormField
from sora2api.egress.guarded import Fetched, GuardedFetch
from sora2api.egress.proxies import probe
from sora2api.egress.refusals import refusal
from sora2api.egress.sessions import Sessions
from sora2api.egress.trace import JOB, Call, Trace

__all__ = [
    "JOB",
    "Access",
    "Call",
    "Client",
    "Fetched",
    "Fixed",
    "FormField",
    "GuardedFetch",
    "Reply",
    "Route",
    "Sessions",
    "Trace",
    "probe",
    "refusal",
]
