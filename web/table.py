"""All operations, by name."""

from typing import Final

from sora2api.web.operation import Operation
from sora2api.web.operations import (
    account_files,
    account_many,
    accounts,
    audit,
    jobs,
    keys,
    models,
    overview,
    plugins,
    proxies,
    requests,
    settings,
    studio,
    users,
    webhooks,
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
    *audit.TABLE,
    *plugins.TABLE,
    *users.TABLE,
    *webhooks.TABLE,
)

BY_NAME: Final = {operation.name: operation for operation in TABLE}
