"""All operations, by name."""

from typing import Final

from sora2api.web.operation import Operation
from sora2api.web.operations import (
    account_files,
    account_many,
    accounts,
    jobs,
    keys,
    models,
    overview,
    proxies,
    requests,
    settings,
    studio,
)

TABLE: Final[tuple[Operation, ...]] = (
    *account_files.TABLE,
    *account_many.TABLE,
    *accounts.TABLE,
    *jobs.TABLE,
    *keys.TABLE,
    *models.TABLE,
    *overview.TABLE,
    *proxies.TABLE,
    *settings.TABLE,
    *requests.TABLE,
    *studio.TABLE,
)

BY_NAME: Final = {operation.name: operation for operation in TABLE}
