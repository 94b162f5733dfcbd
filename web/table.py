"""All operations, by name."""

from typing import Final

from sora2api.web.operation import Operation
from sora2api.web.operations import account_files, accounts, jobs, keys, proxies, requests, settings

TABLE: Final[tuple[Operation, ...]] = (
    *account_files.TABLE,
    *accounts.TABLE,
    *jobs.TABLE,
    *keys.TABLE,
    *proxies.TABLE,
    *settings.TABLE,
    *requests.TABLE,
)

BY_NAME: Final = {operation.name: operation for operation in TABLE}
