"""Every command line of ours in the pages is run, as it stands there, by a shell."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import pytest
from commands import told, until
from hooked import hooked
from rig import Rig

from sora2api.cli import main

pytestmark = pytest.mark.slow

DOCS: Final = Path(__file__).parent.parent / "docs"
FENCED: Final = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS: Final = re.compile(r"(?:^|\$\()sora2api ", re.MULTILINE)
ELSEWHERE: Final = re.compile(r"^(?:systemctl|docker|sudo) .*\n(?:  .*\n)*", re.MULTILINE)
"""What needs another machine, and is left out."""
BELONGINGS: Final = (
    ("account", "north", "add", "--driver", "openai", "--base-url", "http://127.0.0.1:9/v1"),
    ("key", "laptop", "create"),
    ("key", "intern", "create"),
)
"""What the pages speak of as the reader's own: what it is, its name, and how it is made."""
PREAMBLE: Final = """
set -euo pipefail
sora2api() { "$PYTHON" "$RUNNER" "$@"; }
"""
RUNNER: Final = """
import signal, subprocess, sys
command = [sys.executable, "-m", "sora2api", *sys.argv[1:]]
if not {"serve", "sandbox", "-f"} & set(command):
    sys.exit(subprocess.run(command).returncode)
ours = [word if word not in ("8000", "8100") else "0" for word in command]
anywhere = [] if "--port" in ours or "-f" in ours else ["--port", "0"]
endless = subprocess.Popen([*ours, *anywhere], stdout=subprocess.PIPE)
said = endless.stdout.readline()
endless.send_signal(signal.SIGINT)
sys.exit(1 if not said or endless.wait() not in (0, 130) else 0)
"""
"""`sora2api`, of which what would never end does so once it has said something."""


def blocks() -> Iterator[Any]:
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for found in FENCED.finditer(text):
            block = ELSEWHERE.sub("", found[1])
            if OURS.search(block):
                line = text.count("\n", 0, found.start()) + 1
                yield pytest.param(block, id=f"{page.name}:{line}")


class Scene:
    """A server to ask, and a data directory with a past, on which no server runs."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.folder = rig, rig.folder / "work"
        self.folder.mkdir()
        (rig.folder / "runner.py").write_text(RUNNER)
        rig.start_sandbox("--delay", "0")
        rig.connect("--set", "dialect=sandbox")
        self.endpoint = hooked(rig.data, owner=rig.run("key", "list")[0]["id"])
        rig.start_server()
        self.job = rig.ask("a heron")
        rig.ended(self.job)
        self.request = until(lambda: rig.run("log", "list", "--job", self.job))[0]["id"]
        self.delivery = rig.run("webhook", "show", self.endpoint)["deliveries"][0]["id"]
        rig.server.stop()
        self.past, rig.data = rig.data, rig.folder / "served"
        rig.connect("--set", "dialect=sandbox")
        rig.start_server()

    def prepare(self, block: str) -> None:
        """See that what a block takes for granted is there, and what it makes is not."""
        folder = ("--data-dir", str(self.past))
        for kind, name, *making in BELONGINGS:
            if not re.search(rf"\b{name}\b", block):
                continue
            there = {each["name"]: each["id"] for each in told(kind, "list", *folder)}
            if f"--name {name}" in block and name in there:
                told(kind, "revoke" if kind == "key" else "remove", there[name], *folder)
            elif f"--name {name}" not in block and name not in there:
                told(kind, *making, "--name", name, *folder)
        (self.folder / "tokens.json").write_text('[{"email": "old@example.com", "access_token": "gone"}]')
        (self.folder / "tokens.txt").write_text("sk-one\nsk-two\n")
        (self.folder / "phrase.txt").write_text("correct horse battery staple\n")

    def run(self, block: str) -> subprocess.CompletedProcess[str]:
        for said, meant in self.meant():
            block = re.sub(said, meant, block)
        environment = {
            "PYTHON": sys.executable,
            "RUNNER": str(self.rig.folder / "runner.py"),
            "SORA2API_DATA_DIR": str(self.past),
            "SORA2API_SERVER": f"{self.rig.server.url}/v1",
            "SORA2API_KEY": self.rig.key,
        }
        return subprocess.run(
            ["bash", "-c", PREAMBLE + block],
            cwd=self.folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    def meant(self) -> Iterator[tuple[str, str]]:
        """What stands for something of the reader's own in the pages, and what it is here."""
        yield from {
            r"http://10\.0\.0\.5:\d+/v1|https://(engine\.example|api\.openai|NAME\.openai\.azure)\.com/(openai/)?v1": (
                self.rig.sandbox.url
            ),
            r"sk-…|sk-your-token": "sk-sandbox",
            r"socks5h://user:password@10\.0\.0\.7:1080": "http://127.0.0.1:9",
            r"/srv/": f"{self.rig.folder}/",
            r"ssh new-machine ": f"SORA2API_DATA_DIR={self.rig.folder}/moved ",
            r"video_\w*…": self.job,
            r"req_…": self.request,
            r"we_…": self.endpoint,
            r"wh_…": self.delivery,
            r"(?m)^sora2api proxy test north$": r"\g<0> || test $? = 1",  # there is no proxy here
            r"--refresh-token … --client-id …": "--refresh-token secret --client-id mine",
        }.items()


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Iterator[Scene]:
    rig = Rig(tmp_path_factory.mktemp("pages"))
    try:
        yield Scene(rig)
    finally:
        rig.close()


@pytest.mark.parametrize("block", list(blocks()))
def test_what_a_page_shows_works(scene, block):
    scene.prepare(block)

    done = scene.run(block)

    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


def test_the_page_of_commands_shows_each():
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    shown = "\n".join(FENCED.findall(page))

    assert [name for name in _names(main) if f"sora2api {name} " not in f"{shown} ".replace("\n", " ")] == []


def test_no_command_hides_from_the_tests():
    """What is indented, or in a fence of another language, is not run."""
    rest = {page.name: FENCED.sub("", page.read_text(encoding="utf-8")) for page in DOCS.glob("*.md")}

    hidden = {name for name, text in rest.items() for code in _code(text) if re.search(r"(?m)^ *sora2api ", code)}
    assert hidden == set()


def _code(text: str) -> list[str]:
    """What of a page is code: in fences, or indented."""
    return re.findall(r"^```\w*\n.*?^```$|^ {4}[^\n]*$", text, re.MULTILINE | re.DOTALL)


def _names(group: click.Command, *path: str) -> Iterator[str]:
    if not isinstance(group, click.Group):
        yield " ".join(path)
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from _names(command, *path, name)
