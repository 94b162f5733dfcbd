"""The pages' requests can be copied and work: each reply has the status and the keys that are shown."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from conformance.outsiders import npm_packages
from pages.shown import ADDRESS, Shown, blocks, differences, last_reply, requests, untold
from running import Running
from webhooks.receivers import NEAR, Receiver

from sora2api.api.routes import TABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(700)]

PATIENCE = 300
MARK = "=== the next block ==="
STATUSES = 'curl() { command curl -w "%{stderr}status %{http_code}\\n" "$@"; }\n'
"""What has each request's status told beside its reply."""
DELIVERIES = 'curl -s $V1/webhook_endpoints/$ENDPOINT/deliveries -H "$AUTH"'
"""A reader is slower than what it tells of."""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Running]:
    with Running("serve", tmp_path_factory.mktemp("pages") / "data", *NEAR) as server:
        yield server


@pytest.fixture(scope="module")
def hooks() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


class Ran:
    """A page's blocks in one shell, as a reader runs them: what each printed, and the statuses of its requests."""

    def __init__(self, shown: list[Shown], folder: Path, instead: Mapping[str, str]) -> None:
        script = f"echo {MARK!r} | tee /dev/stderr\n".join([STATUSES, *(block.command for block in shown)])
        for said, meant in instead.items():
            script = script.replace(said, meant)
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", script],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        _, *self.said = done.stdout.split(f"{MARK}\n")
        _, *told = done.stderr.split(f"{MARK}\n")
        self.statuses = [[int(status) for status in re.findall(r"^status (\d+)$", text, re.MULTILINE)] for text in told]


@pytest.fixture(scope="module")
def pages(server, hooks, tmp_path_factory) -> tuple[list[Shown], Ran]:
    """Those of the API, one after the other."""
    shown = [block for page in ("api.md", "from-sora.md", "from-predecessor.md") for block in requests(page)]
    instead = {
        ADDRESS: server.url,
        "https://example.com/hooks/sora": hooks.url,
        DELIVERIES: f"until {DELIVERIES} | grep -q delivered; do sleep 0.1; done\n{DELIVERIES}",
    }
    return shown, Ran(shown, tmp_path_factory.mktemp("page"), instead)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the pages' requests are made by curl")
def test_each_request_is_answered_with_the_status_that_it_shows(pages):
    shown, ran = pages
    told = list(zip(shown, ran.statuses, strict=True))

    assert [(block.command, some) for block, some in told if (max(some, default=0) >= 400) != _refused(block)] == []
    assert [some for some in ran.statuses if max(some, default=0) >= 500] == []


def test_each_reply_has_what_is_shown_of_it(pages):
    shown, ran = pages
    wrong = {block.command: said for block, said in zip(shown, map(_wrong, shown, ran.said), strict=True) if said}

    assert wrong == {}


def test_each_operation_of_the_api_is_shown(pages, server):
    """By the server's own log of what it was asked."""
    listed = subprocess.run(
        [sys.executable, "-m", "sora2api", "log", "export", "--data-dir", str(server.folder)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    asked = {(row["method"], row["path"]) for row in map(json.loads, listed.splitlines())}

    missing = [
        f"{operation.method} {operation.path}"
        for operation in TABLE
        if not any(
            method == operation.method and re.fullmatch("/v1" + re.sub(r"\{[^}]*\}", "[^/]+", operation.path), path)
            for method, path in asked
        )
    ]
    assert missing == []


@pytest.mark.parametrize("page", ["compatibility.md", "from-sora.md"])
def test_python_programs_work_as_printed(page, server, tmp_path):
    (program,) = blocks(page, "python")

    _run([sys.executable, "-c", program.replace(ADDRESS, server.url)], tmp_path)

    assert (tmp_path / "lighthouse.mp4").read_bytes()[4:8] == b"ftyp"


def test_node_programs_work_as_printed(server, tmp_path):
    packages = npm_packages("openai@^7", "node@^22")
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    (program,) = blocks("from-sora.md", "js")
    (tmp_path / "program.mjs").write_text(program.replace(ADDRESS, server.url))

    said = _run([str(packages / "node_modules/node/bin/node"), "program.mjs"], tmp_path)

    assert said == "completed 4\n"
    assert (tmp_path / "lighthouse.mp4").read_bytes()[4:8] == b"ftyp"


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _refused(block: Shown) -> bool:
    """Whether the page shows that it is: with an error and nothing else."""
    return block.language == "json" and json.loads(block.reply).keys() == {"error"}


def _wrong(block: Shown, said: str) -> list[str]:
    match block.language:
        case "json":
            return differences(json.loads(block.reply), last_reply(said))
        case "text":
            return untold(block.reply, said)
        case _:
            return []
