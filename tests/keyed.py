"""A server and its engine as in rig.py, with keys that have limits."""

import asyncio
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

import httpx2
import msgspec
from click.testing import CliRunner
from openai import OpenAI
from rig import PATIENCE, Rig

from sora2api.auth.keys import ApiKey, KeyBook
from sora2api.auth.limits import Limits
from sora2api.catalog import BUILT_IN
from sora2api.cli import main
from sora2api.modes import Cost
from sora2api.store.database import FILE, Database

SMALL: Final = {"model": "sora-video", "prompt": "a lantern", "size": "160x96", "seconds": 1}


class KeyedRig(Rig):
    """Its keys are made before the server starts, or changed by command while it runs."""

    def run(self, *command: str) -> Any:
        """What a command on the server's data directory says, as JSON; run here, which is quicker."""
        done = CliRunner().invoke(main, [*command, "--data-dir", str(self.data), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def price(self, name: str, *, per_second: int = 0, per_image: int = 0) -> None:
        """Let a built-in model cost something, in millionths, before the server starts."""
        model = next(model for model in BUILT_IN if model.name == name)
        entry = msgspec.structs.replace(model, cost=Cost(per_second=per_second, per_image=per_image))
        self.change("insert or replace into models values (?, ?)", name, msgspec.json.encode(entry))

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
