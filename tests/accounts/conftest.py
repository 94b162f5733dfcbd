"""The accounts that tests tell what to answer."""

from told import accounts

__all__ = ["accounts"]
