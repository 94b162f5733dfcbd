"""Makes a webhook endpoint on a data directory, as an API key's owner would over the API."""

import asyncio
from pathlib import Path

from sora2api.notify import Endpoints, Signer
from sora2api.store.database import FILE, Database
from sora2api.store.secrets import Secrets


def hooked(folder: Path, *, owner: str) -> str:
    """The id of a new endpoint, where nobody listens."""
    return asyncio.run(_hooked(folder, owner))


async def _hooked(folder: Path, owner: str) -> str:
    database = Database(folder / FILE)
    try:
        endpoints = Endpoints(database, Signer(await asyncio.to_thread(Secrets.open, folder)))
        given = {"name": "mine", "url": "http://127.0.0.1:9/", "event_types": ["video.completed"]}
        return (await endpoints.create(owner=owner, **given))[0].id
    finally:
        await database.close()
