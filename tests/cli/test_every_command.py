"""What holds for every command: it is quick to ask for help, tells JSON, and says in a sentence what goes wrong."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from commands import ran, until
from hooked import hooked
from rig import Rig

from sora2api.cli import main
from sora2api.settings import FILE as SETTINGS
from sora2api.store.database import FILE

pytestmark = pytest.mark.slow

SERVERS = {"serve", "sandbox"}
"""Those that run until they are stopped; their one line of JSON is what every test of a server reads."""
NO_DATA = {"completion"}
SCENE = (
    # every command with what makes it work, in this order, on one data directory
    "doctor --url {server}",
    "generate 'a heron' --model sora-video --size 160x96 --seconds 1 --server {server} --key {key} -o {out}/heron.mp4",
    "job watch {job} --server {server} --key {key}",
    "job list",
    "job show {job}",
    "job watch {job}",
    "job pause",
    "job resume",
    "job cancel --status queued",
    "account add --driver openai --base-url {engine} --token sk-sandbox --name second --set dialect=sandbox",
    "account list",
    "account show second",
    "account test second",
    "account change second --video-slots 3",
    "account reveal second",
    "account disable second",
    "account enable second",
    "account export",
    "account import {accounts}",
    "proxy add here http://127.0.0.1:1",
    "proxy change here --url http://127.0.0.1:9",
    "proxy list",
    "proxy assign none --of here",
    "proxy disable here",
    "proxy enable here",
    "proxy test here",
    "proxy remove here",
    "account remove second",
    "account restore {account}",
    "key create --name laptop",
    "key list",
    "key show laptop",
    "key change laptop --daily-jobs 9",
    "key rotate laptop",
    "key revoke {laptop}",
    "panel-key create --name robot --role viewer",
    "panel-key list",
    "panel-key revoke {robot}",
    "catalog list",
    "catalog show sora-2",
    "catalog set sora-2 --cost-per-second 0.10",
    "catalog unset sora-2",
    "usage",
    "log list",
    "log show {request}",
    "log tail",
    "log export",
    "user add anna --role operator",
    "user list",
    "user change anna --role administrator",
    "user reset-password anna",
    "user remove-second-factor anna",
    "user end-sessions anna",
    "user disable anna",
    "user enable anna",
    "user add ben --role viewer",
    "user remove ben",
    "webhook list",
    "webhook show {endpoint}",
    "webhook disable {endpoint}",
    "webhook enable {endpoint}",
    "webhook again {endpoint} {delivery}",
    "webhook remove {endpoint}",
    "webhook alerts",
    "settings list",
    "settings get strategy",
    "settings set strategy random",
    "settings unset strategy",
    "plugin list",
    "install-service --user --print",
    "backup {out}/backup.tar --with-key",
    "db current",
    "db check",
)
ALONE = ("restore {out}/backup.tar", "db upgrade", "db vacuum", "secrets alerts", "secrets rotate")
"""These on a data directory of their own, which nobody else works on."""
FAILING = {"doctor --url {server}": 4, "proxy test here": 1}
"""The first login lies about, and there is no proxy at that port; so they say in JSON."""


def leaves(group: click.Command = main, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command, by its words."""
    if not isinstance(group, click.Group):
        yield " ".join(path), group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from leaves(command, *path, name)


COMMANDS = dict(leaves())


def said(*words: str, status: int = 0) -> Result:
    """What a command says, here in this process: a hundred of them would take minutes to start."""
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert done.exit_code == status, done.output
    return done


class Scene:
    """A server that has made something, its engine, and what the commands are about."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        rig.start_sandbox("--delay", "0")
        rig.connect("--set", "dialect=sandbox")
        endpoint = hooked(rig.data, owner=rig.run("key", "list")[0]["id"])
        rig.start_server()
        self.out = rig.folder / "out"
        self.out.mkdir()
        (self.out / "accounts.json").write_bytes(b"[]")
        job = rig.ask("a heron")
        rig.ended(job)
        self.words = {
            "server": f"{rig.server.url}/v1",
            "key": rig.key,
            "engine": f"{rig.sandbox.url}/v1",
            "out": str(self.out),
            "accounts": str(self.out / "accounts.json"),
            "job": job,
            "request": until(lambda: rig.run("log", "list", "--job", job))[0]["id"],
            "endpoint": endpoint,
        }
        self.words["delivery"] = rig.run("webhook", "show", endpoint)["deliveries"][0]["id"]

    def remember(self, line: str, said: object) -> None:
        """Keep the ids of what was made, for the commands that follow."""
        if line.startswith("account add"):
            self.words["account"] = said["id"]
        elif line.startswith(("key create", "panel-key create")):
            self.words["robot" if "robot" in line else "laptop"] = said["id"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Iterator[Scene]:
    rig = Rig(tmp_path_factory.mktemp("scene"))
    try:
        yield Scene(rig)
    finally:
        rig.close()


def test_every_command_is_tried_here():
    tried = {name for name in COMMANDS for line in (*SCENE, *ALONE) if line == name or line.startswith(f"{name} ")}

    assert set(COMMANDS) - tried == SERVERS | NO_DATA


def test_every_command_that_tells_something_can_tell_it_in_json():
    without = {name for name, command in COMMANDS.items() if all("--json" not in each.opts for each in command.params)}

    assert without == NO_DATA


def test_what_every_command_says_in_json_can_be_read(scene):
    for line in SCENE:
        words = line.format(**scene.words).replace("'a heron'", "a-heron").split()
        remote = line.startswith(("generate", "job watch {job} --server"))
        folder = [] if remote else ["--data-dir", str(scene.rig.data)]
        told = said(*words, *folder, "--json", status=FAILING.get(line, 0)).stdout
        scene.remember(line, next(documents(told)))
    for line in ALONE:
        words = line.format(**scene.words).split()
        assert list(documents(ran(*words, "--data-dir", str(scene.out / "alone"), "--json").stdout))


def documents(text: str) -> Iterator[Any]:
    """One JSON document, or one a line."""
    while text := text.strip():
        document, end = json.JSONDecoder().raw_decode(text)
        yield document
        text = text[end:]


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (("job", "list", "--data-dir", "{file}"), 2, "is a file"),
        (("job", "list", "--data-dir", "/proc/nothing"), 1, "error: "),
        (("key", "list", "--data-dir", "{torn}"), 1, "file is not a database"),
        (("user", "list", "--data-dir", "{torn}"), 1, "file is not a database"),
        (("log", "tail", "--data-dir", "{torn}"), 1, "file is not a database"),
        (("webhook", "list", "--data-dir", "{torn}"), 1, "file is not a database"),
        (("job", "list", "--data-dir", "~nobody-at-all/x"), 1, "a home directory that is not known"),
        (("settings", "list", "--data-dir", "{foreign}"), 1, "sora2api.toml is not valid TOML"),
        (("generate", "--shots", "{picture}"), 1, "is no text in UTF-8"),
        (("account", "export", "--with-secrets", "--passphrase-file", "{picture}"), 1, "is no text in UTF-8"),
        (("log", "list", "--status", "99999999999999999999"), 1, "A number is too large"),
        (("catalog", "show", "nothing"), 1, "There is no model 'nothing'"),
        (("user", "remove", "nobody"), 1, "There is no user 'nobody'"),
        (("user", "add", " ", "--role", "viewer"), 1, "1 to 100 printable characters"),
        (("user", "add", "x", "--role", "king"), 2, "'king' is not one of"),
        (("panel-key", "revoke", "nothing"), 1, "error: "),
        (("webhook", "show", "nothing"), 1, "error: "),
        (("account", "restore", "nothing"), 1, "error: "),
        (("account", "reveal", "nothing"), 1, "error: "),
        (("proxy", "change", "nothing", "--url", "http://127.0.0.1:1"), 1, "error: "),
        (("proxy", "assign", "nothing"), 1, "error: "),
        (("job", "watch", "garbage"), 1, "There is no job 'garbage' here."),
        (("job", "watch", "garbage", "-o", "x.mp4"), 2, "name it with --server"),
        (("job", "watch", "garbage", "--server", "http://127.0.0.1:1"), 3, "connection refused"),
        (("log", "show", "garbage"), 1, "There is no request 'garbage' in the log."),
        (("nonsense",), 2, "No such command 'nonsense'"),
        (("acount", "list"), 2, "Did you mean 'account'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_goes_wrong_is_told_in_a_sentence(tmp_path, monkeypatch, words, status, complaint):
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / FILE).write_bytes(b"no database" * 1000)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "picture").write_bytes(b"\x89PNG")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / SETTINGS).write_bytes(b'public_url = "caf\xe9"')
    places = {"torn": torn, "file": tmp_path / "file", "picture": tmp_path / "picture", "foreign": foreign}
    command = [word.format_map(places) for word in words]

    monkeypatch.setenv("SORA2API_DATA_DIR", str(tmp_path / "state"))

    done = said(*command, status=status)

    assert complaint in done.stderr
    assert done.stdout == ""


def test_ctrl_c_has_its_status_whatever_it_ends(tmp_path):
    state = tmp_path / "state"
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "sora2api",
        "restore",
        "-",
        "--data-dir",
        str(state),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until((state / "serve.lock").exists)

    process.send_signal(signal.SIGINT)

    assert process.communicate()[1] == ""
    assert process.returncode == 130
    assert not state.exists()


HELP = """
import sys
from sora2api.cli import main
main(["--help"], standalone_mode=False)
slow = {"sqlalchemy", "aiohttp", "rich", "alembic", "PIL", "av"} & set(sys.modules)
assert not slow, slow
"""


def test_help_comes_without_what_is_slow():
    subprocess.run([sys.executable, "-c", HELP], check=True, capture_output=True)


def test_what_a_model_has_several_of_is_listed(tmp_path):
    assert "720x1280, 1280x720" in ran("catalog", "show", "sora-2", "--data-dir", str(tmp_path)).stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [("ca", "catalog"), ("user res", "reset-password"), ("catalog set x --makes vi", "video"), ("--ver", "--version")],
)
def test_a_shell_is_told_how_to_go_on(words, offered):
    count = str(len(words.split()))
    environment = {"COMP_WORDS": f"sora2api {words}", "COMP_CWORD": count, "_SORA2API_COMPLETE": "bash_complete"}

    assert f"plain,{offered}" in ran(cwd=Path.cwd(), **environment).stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(shell):
    assert "_SORA2API_COMPLETE" in said("completion", shell).stdout
