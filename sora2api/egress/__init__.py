"""Outbound HTTP: one session a proxy, foreign errors made ours once, the guarded fetch of client URLs."""

from sora2api.egress.client import Client, Reply
from sora2api.egress.forms import FormField
from sora2api.egress.guarded import Fetched, GuardedFetch
from sora2api.egress.refusals import refusal
from sora2api.egress.sessions import Sessions

__all__ = ["Client", "Fetched", "FormField", "GuardedFetch", "Reply", "Sessions", "refusal"]
