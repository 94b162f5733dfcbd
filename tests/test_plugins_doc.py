"""docs/plugins.md names all that a plugin's author must know, and what it shows works."""

import ast
import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sora2api import drivers, modes
from sora2api.drivers import Account
from sora2api.egress import Client, Fixed, Sessions
from sora2api.registry import discover
from sora2api.testing import DriverContract, ModeContract

TEXT = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SPOKEN = " ".join([*BLOCKS, *re.findall(r"`([^`\n]+)`", TEXT)])


def _example(title: str) -> str:
    (block,) = (block for block in BLOCKS if block.startswith(f'"""{title}: '))
    return block


def _defined(title: str) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": title}
    exec(compile(_example(title), title, "exec"), namespace)
    return namespace


def _names(body):
    """The public names that are bound in a module's or a class's body."""
    for node in body:
        if isinstance(node, ast.AnnAssign):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            yield from _names(node.body) if isinstance(node, ast.ClassDef) else ()


@pytest.mark.parametrize("contract", [modes, drivers], ids=lambda module: module.__name__)
def test_every_public_name_of_a_contract_is_explained(contract):
    type_variables = {name for name, value in vars(contract).items() if type(value).__name__ == "TypeVar"}
    names = set(_names(ast.parse(Path(contract.__file__).read_text(encoding="utf-8")).body)) - type_variables

    unexplained = {name for name in names if not name.startswith("_") and not re.search(rf"\b{name}\b", SPOKEN)}

    assert unexplained == set()


def test_the_examples_are_ready_to_use(tmp_path):
    for title in ("sora2api_haiku", "sora2api_launch", "sora2api_lantern"):
        (tmp_path / f"{title}.py").write_text(_example(title), encoding="utf-8")

    found = discover(folder=tmp_path)

    assert {"haiku", "launch"} <= set(found.modes)
    assert "lantern" in found.drivers


class TestHaiku(ModeContract):
    mode = _defined("sora2api_haiku")["HaikuMode"]
    requests = (
        modes.Request(model="m", makes="video", size="1280x720", seconds=8.0, prompt="haiku: rain\nthen sun"),
        modes.Request(model="m", makes="video", size="1280x720", seconds=8.0, prompt="haiku: \n"),
    )


class TestLaunch(ModeContract):
    mode = _defined("sora2api_launch")["LaunchMode"]
    requests = (modes.Request(model="m", makes="video", size="1280x720", seconds=8.0, prompt="launch a rocket"),)


class TestLantern(DriverContract):
    @pytest.fixture
    async def driver(self):
        async with TestServer(_lantern()) as server, _sessions() as sessions:
            account = Account(id="acc_1", name="lantern", base_url=str(server.make_url("/")))
            client = Client(sessions, base_url=account.base_url, access=Fixed("t"))
            yield _defined("sora2api_lantern")["LanternDriver"](account, client)


@asynccontextmanager
async def _sessions():
    sessions = Sessions()
    yield sessions
    await sessions.close()


def _lantern() -> web.Application:
    """The engine that the example speaks to: a film is lit at the second look."""
    films: dict[str, int] = {}

    def told(name):
        return {"id": name, "lit": films[name] > 1, "percent": 50 * films[name], "link": f"/films/{name}"}

    async def models(request):
        return web.json_response(["wick"])

    async def submit(request):
        films[name := f"film-{len(films)}"] = 0
        return web.json_response(told(name))

    async def look(request):
        asked = [name for name in request.query["ids"].split(",") if name in films]
        films.update({name: films[name] + 1 for name in asked})
        return web.json_response([told(name) for name in asked])

    async def film(request):
        return web.Response(body=bytes(range(200)))

    app = web.Application()
    app.add_routes([web.get("/models", models), web.post("/films", submit), web.get("/films", look)])
    app.add_routes([web.get("/films/{name}", film)])
    return app
