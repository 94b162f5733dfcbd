"""The accounts that tests tell what to answer, and receivers that alerts really reach."""

from told import accounts
from webhooks.conftest import receive, receiver

__all__ = ["accounts", "receive", "receiver"]
