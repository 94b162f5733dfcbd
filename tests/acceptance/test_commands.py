"""What an operator's commands change reaches a running server within two seconds."""

import json
import subprocess
import sys
import time

import httpx2
import pytest


def _soon(holds) -> None:
    end = time.monotonic() + 2
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_key_works_soon_after_it_is_made_and_no_longer_once_it_is_revoked(server):
    made = server.run("key", "create", "--name", "laptop")

    def status():
        return httpx2.get(f"{server.url}/v1/models", headers={"api-key": made["key"]}).status_code

    _soon(lambda: status() == 200)
    server.run("key", "revoke", made["id"])
    _soon(lambda: status() == 401)


@pytest.fixture
def engine(tmp_path):
    """A stand-alone sandbox, to be added as an account like any engine."""
    command = [sys.executable, "-m", "sora2api", "sandbox", "--port", "0", "--json", "--until-stdin-closes"]
    with subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "engine"), "--delay", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()
        process.wait(timeout=20)


def test_an_account_takes_the_place_of_the_sandbox_and_of_the_default_key_and_can_be_put_aside(serve, engine, refused):
    server = serve()
    account = ("--driver", "openai", "--base-url", engine, "--token", "sk-sandbox", "--name", "pictures")
    added = server.run("account", "add", *account, "--video-slots", "0")
    old, server.http = server.http, server.client(added["issued"]["key"])

    def kinds():
        reply = server.http.get("/v1/models")
        return {model["makes"]["kind"] for model in reply.json()["data"]} if reply.status_code == 200 else set()

    # It makes images, and nothing makes videos.
    _soon(lambda: kinds() == {"image"} and old.get("/v1/models").status_code == 401)
    old.close()
    made = server.chat("a fork", model="sora-image")
    assert made.status_code == 200
    assert "x-sora2api-engine" not in made.headers
    before = server.traces()
    for stream in (False, True):
        unserved = server.chat("a fork", model="sora-video", stream=stream)
        refused(unserved, 503, "no_engine")
        assert unserved.headers["x-should-retry"] == "false"
    refused(server.http.get("/v1/models/sora-video"), 503, "no_engine")
    refused(server.http.get("/v1/models/nothing"), 404, "model_not_found", "model")
    assert server.traces() == before

    # It can be put aside, taken back and removed.
    def served():
        return server.http.get("/v1/models/sora-image").status_code == 200

    server.run("account", "disable", "pictures")
    _soon(lambda: not served())
    server.run("account", "enable", "pictures")
    _soon(served)
    server.run("account", "remove", "pictures")
    _soon(lambda: not served())
    assert kinds() == set()
