"""Server-sent events of JSON, the connection closed after the last."""

import asyncio
from typing import Any

import orjson
from aiohttp_sse import EventSourceResponse

from sora2api.observe.requests import tells


class Stream(EventSourceResponse):
    """A stream that says every *heartbeat* seconds that it is alive."""

    def __init__(self, *, heartbeat: float) -> None:
        super().__init__(sep="\n", allow_all_methods=True, ping_interval=heartbeat)
        self.headers["Connection"] = "close"
        self.force_close()

    async def tell(self, data: Any, *, number: int | None = None, event: str | None = None) -> None:
        """Send *data* as JSON."""
        tells(self, data)
        await self._say(orjson.dumps(data).decode(), number=number, event=event)

    async def done(self) -> None:
        """Send what chat clients wait for at the end."""
        await self._say("[DONE]")

    async def _say(self, text: str, *, number: int | None = None, event: str | None = None) -> None:
        try:
            await self.send(text, id=None if number is None else str(number), event=event)
        except (ConnectionError, TimeoutError) as error:  # the client has gone, which cancels a handler otherwise too
            raise asyncio.CancelledError from error
