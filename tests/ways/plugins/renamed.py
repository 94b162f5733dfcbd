"""A driver of a third party: each of its accounts has models of its own, called after it."""

from typing import ClassVar

import msgspec

from sora2api.drivers import API_VERSION
from sora2api.drivers.openai import OpenAIDriver


class Renamed(OpenAIDriver):
    kind: ClassVar[str] = "renamed"
    api_version: ClassVar[int] = API_VERSION

    async def check(self):
        return [
            msgspec.structs.replace(model, name=f"{self.account.name} {model.name}") for model in await super().check()
        ]
