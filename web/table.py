"""All operations, by name."""

from typing import Final

from sora2api.web.operation import Operation
from sora2api.web.operations import keys, proxies, requests, settings

TABLE: Final[tuple[Operation, ...]] = (*keys.TABLE, *proxies.TABLE, *requests.TABLE, *settings.TABLE)

BY_NAME: Final = {operation.name: operation for operation in TABLE}
