"""`sora2api settings`: choosing settings beside a server, or before there is one."""

import json

import pytest
from click.testing import CliRunner

from sora2api.cli import main


@pytest.fixture
def settings(tmp_path):
    def settings(*words):
        return CliRunner().invoke(main, ["settings", *words, "--data-dir", str(tmp_path)])

    return settings


def test_what_is_set_is_told_until_it_is_unset(settings):
    chosen = settings("set", "fetch_allow", "10.0.0.0/8,192.168.0.0/16")
    told = json.loads(settings("get", "fetch_allow", "--json").output)
    back = settings("unset", "fetch_allow")

    assert chosen.output == "10.0.0.0/8,192.168.0.0/16\n"
    assert (told["source"], told["chosen"]) == ("database", True)
    assert back.output == "\n"


@pytest.mark.parametrize("words", [("set", "tries", "0"), ("set", "nothing", "1"), ("get", "nothing")])
def test_what_is_wrong_is_said(settings, words):
    done = settings(*words)

    assert done.exit_code == 1
    assert words[1] in done.output


def test_what_the_environment_gives_is_pinned(settings, monkeypatch):
    monkeypatch.setenv("SORA2API_TRIES", "3")

    assert settings("set", "tries", "9").exit_code == 1
    assert settings("get", "tries").output == "3\n"
