"""The compose files are what the specification says, and set what this server knows."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sora2api.settings import PREFIX, names

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(DEPLOY.glob("docker-compose*.yml"))
CHECKER = Path(sys.executable).with_name("check-jsonschema")


def services(name):
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))["services"]


def test_every_file_is_valid_by_the_compose_specification():
    subprocess.run([CHECKER, "--builtin-schema", "vendor.compose-spec", *FILES], check=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_set_for_the_server_is_a_setting(file):
    given = [name for service in services(file.name).values() for name in service.get("environment", {})]

    ours = [name.removeprefix(PREFIX).lower() for name in given if name.startswith(PREFIX)]
    assert set(ours) <= {*names()}


def test_the_server_can_change_nothing_but_its_data():
    server = services("docker-compose.yml")["sora2api"]

    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["volumes"] == ["data:/data"]
    assert server["ports"] == ["127.0.0.1:8000:8000"]


def test_with_warp_accounts_go_through_it_and_wait_for_it():
    both = services("docker-compose.warp.yml")

    assert both["sora2api"]["environment"] == {"SORA2API_DEFAULT_PROXY": "socks5h://warp:1080"}
    assert both["sora2api"]["depends_on"]["warp"]["condition"] == "service_healthy"
    assert "ports" not in both["warp"]


def test_the_file_for_many_servers_starts_none_and_says_so():
    text = (DEPLOY / "docker-compose.scale.yml").read_text(encoding="utf-8")

    assert text.startswith("# NOT A WAY TO RUN sora2api YET.")
    assert not any("sora2api" in service["image"] for service in services("docker-compose.scale.yml").values())
