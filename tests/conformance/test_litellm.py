"""The conformance list, 91: LiteLLM as a client of the server, and as an engine of it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from conformance.outsiders import pip_packages
from openai import OpenAI
from running import Running
from ways.rigs import becomes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning"),
]

MASTER_KEY = "sk-litellm"
PROVIDERS = ("openai", "hosted_vllm")


@contextmanager
def proxy(folder: Path, server: str) -> Iterator[str]:
    """A LiteLLM proxy whose models are called after the provider by which they reach the *server*; its URL."""
    folder.mkdir()
    reached = {"api_base": f"{server}/v1", "api_key": "han1234"}
    models = [{"model_name": name, "litellm_params": {"model": f"{name}/sora-video"} | reached} for name in PROVIDERS]
    config = folder / "config.json"
    config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": MASTER_KEY}}))
    program = pip_packages("litellm[proxy]") / "litellm"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        assert becomes(lambda: _alive(port), within=120), (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def _alive(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/liveliness").is_success
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="module")
def litellm(server, tmp_path_factory) -> Iterator[str]:
    with proxy(tmp_path_factory.mktemp("litellm") / "proxy", server.url) as url:
        yield url


@pytest.mark.parametrize("provider", PROVIDERS)
def test_91_litellm_completes_a_video_here(litellm, server, small, provider):
    asked = small | {"model": provider, "prompt": f"a cat by {provider}"}
    with OpenAI(base_url=litellm, api_key=MASTER_KEY, max_retries=0) as client:
        video = client.videos.create(**asked)
        assert client.videos.poll(video.id, poll_interval_ms=100).status == "completed"
        content = client.videos.download_content(video.id).content
    with OpenAI(base_url=f"{server.url}/v1", api_key="han1234") as client:
        ours = next(video for video in client.videos.list() if video.prompt == asked["prompt"])
        assert client.videos.download_content(ours.id).content == content


def test_91_a_video_is_completed_by_litellm_as_the_engine(litellm, small, ask_of, tmp_path):
    command = [sys.executable, "-m", "sora2api", "account", "add", "--driver", "openai", "--set", "dialect=litellm"]
    where = ["--base-url", litellm, "--token", MASTER_KEY, "--set", "video_model=openai"]
    said = subprocess.run([*command, *where, "--data-dir", tmp_path, "--json"], check=True, capture_output=True)
    with (
        Running("serve", tmp_path) as server,
        ask_of(server, "sync", key=json.loads(said.stdout)["issued"]["key"]) as ask,
    ):
        video = ask.made("a cat through two gateways", **small)
        content = ask(lambda client: client.videos.download_content(video.id)).content

    assert content[4:8] == b"ftyp"
