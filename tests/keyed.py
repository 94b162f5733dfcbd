"""A server and its engine as in rig.py, with keys that have limits."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

import httpx2
from openai import OpenAI
from rig import PATIENCE, Rig

from sora2api.auth.keys import ApiKey, KeyBook
from sora2api.auth.limits import Limits
from sora2api.store.database import FILE, Database

SMALL: Final = {"model": "sora-video", "prompt": "a lantern", "size": "160x96", "seconds": 1}


class KeyedRig(Rig):
    """Its keys are made before the server starts, or changed by command while it runs."""

    def make_keys(self, **limits: Limits) -> dict[str, ApiKey]:
        """A key of each name; their secrets are kept here."""
        self.secrets: dict[str, str] = getattr(self, "secrets", {})

        async def make() -> dict[str, ApiKey]:
            database = Database(self.data / FILE)
            book, made = KeyBook(database), {}
            for name, limit in limits.items():
                made[name], self.secrets[name] = await book.create(name, limits=limit)
            await database.close()
            return made

        return asyncio.run(make())

    def client(self, name: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.secrets[name]}"}
        return httpx2.Client(base_url=self.server.url, headers=headers, timeout=PATIENCE)

    def openai(self, name: str) -> OpenAI:
        return OpenAI(base_url=f"{self.server.url}/v1", api_key=self.secrets[name], max_retries=0)

    def post(self, name: str, **fields: Any) -> httpx2.Response:
        """Ask for a small video."""
        with self.client(name) as client:
            return client.post("/v1/videos", json=SMALL | fields)

    def at_once(self, name: str, times: int, **fields: Any) -> list[httpx2.Response]:
        """Ask so many times at once."""
        with self.client(name) as client, ThreadPoolExecutor(times) as threads:
            ask = [threads.submit(client.post, "/v1/videos", json=SMALL | fields) for _ in range(times)]
            return [future.result() for future in ask]

    def made(self, name: str, **fields: Any) -> dict[str, Any]:
        """A small video that is over."""
        with self.client(name) as client:
            response = client.post("/v1/videos", json=SMALL | fields, headers={"Prefer": "wait=60"})
            assert response.status_code == 200, response.text
            return dict(response.json())

    def change(self, statement: str, *values: Any) -> None:
        """Change the database, while no server runs."""
        with closing(sqlite3.connect(self.data / FILE)) as database:
            database.execute(statement, values)
            database.commit()
