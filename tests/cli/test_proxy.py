"""`sora2api proxy` as an operator runs it: processes of their own, on a data directory."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import ran
from running import Running

SECRET = "dont-show-me"


def proxy(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sora2api", "proxy", *arguments, "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def told(*arguments: str, folder: Path):
    done = proxy(*arguments, "--json", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert SECRET not in done.stdout
    return json.loads(done.stdout)


@pytest.fixture
def running() -> Iterator[int]:
    """A real SOCKS5 proxy that wants to know who we are; its port."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", _PROXY, f"socks5://127.0.0.1:0/#me:{SECRET}"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            yield int(process.stdout.readline())
        finally:
            watchdog.cancel()
            process.kill()


_PROXY = """
import asyncio, sys, pproxy
async def main():
    options = {"rserver": [pproxy.Connection("direct://")], "authtime": -1}
    server = await pproxy.Server(sys.argv[1]).start_server(options)
    print(server.sockets[0].getsockname()[1])
    await server.serve_forever()
asyncio.run(main())
"""


def test_a_proxy_is_listed_disabled_enabled_and_removed_and_its_password_never_shown(tmp_path):
    added = told("add", "north", f"socks5h://me:{SECRET}@127.0.0.1:1080", folder=tmp_path)
    disabled = told("disable", "north", folder=tmp_path)
    enabled = told("enable", added["id"], folder=tmp_path)
    (listed,) = told("list", folder=tmp_path)
    shown = proxy("list", folder=tmp_path)
    removed = told("remove", "north", folder=tmp_path)

    assert (disabled["state"], enabled["state"]) == ("disabled", "ready")
    assert (listed["url"], listed["accounts"]) == ("socks5h://127.0.0.1:1080", 0)
    assert "north" in shown.stdout
    assert SECRET not in shown.stdout
    assert removed["name"] == "north"
    assert told("list", folder=tmp_path) == []


def test_a_proxy_is_tried(tmp_path, running):
    told("add", "right", f"socks5://me:{SECRET}@127.0.0.1:{running}", folder=tmp_path)
    told("add", "wrong", f"socks5://me:{SECRET}x@127.0.0.1:{running}", folder=tmp_path)

    right = told("test", "right", folder=tmp_path)
    wrong = proxy("test", "wrong", folder=tmp_path)

    assert right["trouble"] is None
    assert 0 < right["latency"] < 10
    assert wrong.returncode == 1
    assert SECRET not in wrong.stdout + wrong.stderr


@pytest.mark.slow
def test_of_a_proxy_that_never_says_a_word_that_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        told("add", "mute", f"socks5://me:{SECRET}@127.0.0.1:{mute.getsockname()[1]}", folder=tmp_path)
        done = proxy("test", "mute", folder=tmp_path)

    assert done.returncode == 1
    assert "could not be reached" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "north", "ftp://127.0.0.1:21"),
        ("add", "spread", "socks5://127.0.0.1:1"),
        ("test", "nowhere"),
        ("remove", "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, arguments):
    done = proxy(*arguments, folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_proxy_that_an_account_names_is_not_removed(tmp_path):
    told("add", "north", "socks5://127.0.0.1:1", folder=tmp_path)
    account = (
        "account",
        "add",
        "--driver",
        "openai",
        "--base-url",
        "http://127.0.0.1:9/v1",
        "--token",
        "t",
        "--name",
        "far",
    )
    subprocess.run(
        [sys.executable, "-m", "sora2api", *account, "--proxy", "north", "--data-dir", str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=60,
    )

    done = proxy("remove", "north", folder=tmp_path)

    assert "far" in done.stderr
    assert told("list", folder=tmp_path)[0]["accounts"] == 1


def test_a_proxy_is_given_to_all_accounts_but_the_sandbox_that_is_on_this_machine(tmp_path):
    far = ("--driver", "openai", "--base-url", "http://127.0.0.1:9/v1", "--token", "t", "--name", "far")
    with Running("serve", tmp_path):  # which brings the sandbox's account along
        for command in (("account", "add", *far), ("proxy", "add", "north", "socks5://127.0.0.1:1")):
            ran(*command, "--data-dir", str(tmp_path))

    assert told("assign", "north", folder=tmp_path) == {"changed": ["far"]}
    assert told("assign", "none", "--of", "north", folder=tmp_path) == {"changed": ["far"]}
