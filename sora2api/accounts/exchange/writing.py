"""Writing accounts out, as the formats that can be read again: with their secrets, or with nothing secret at all."""

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from sora2api.accounts.book import Account
from sora2api.accounts.exchange.envelope import VERSION
from sora2api.accounts.given import Given
from sora2api.accounts.shown import bare

_SECRET: Final = frozenset({"token", "refresh_token"})
_ADDRESSES: Final = ("base_url", "proxy", "refresh_url")
"""What may have a password in it."""


def as_json(accounts: Iterable[Account], *, secrets: bool) -> bytes:
    """The accounts that are in use, the sandbox's aside."""
    rows = [_row(account, secrets=secrets) for account in _real(accounts)]
    return msgspec.json.format(msgspec.json.encode({"sora2api": VERSION, "accounts": rows}), indent=2) + b"\n"


def as_csv(accounts: Iterable[Account]) -> str:
    """The same as lines under a header, without secrets."""
    columns = [name for name in Given.__struct_fields__ if name not in _SECRET]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for account in _real(accounts):
        writer.writerow({name: _cell(value) for name, value in _row(account, secrets=False).items()})
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value as it is read again: groups with commas between them, settings as JSON."""
    if isinstance(value, tuple):
        return ",".join(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict | bool) else value


def _real(accounts: Iterable[Account]) -> list[Account]:
    return [account for account in accounts if account.removed_at is None and not account.sandbox]


def _row(account: Account, *, secrets: bool) -> dict[str, Any]:
    """What is known of an account that another server could use; what is not set is left out."""
    row = {name: getattr(account, name) for name in Given.__struct_fields__}
    if not secrets:
        row = {name: _without_password(name, value) for name, value in row.items() if name not in _SECRET}
    return {name: value for name, value in row.items() if value is not None}


def _without_password(name: str, value: Any) -> Any:
    return bare(value) if name in _ADDRESSES and isinstance(value, str) else value
