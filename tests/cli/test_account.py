"""`sora2api account` as an operator runs it: processes of their own, on a data directory, beside a real sandbox."""

import json
import shutil
import subprocess
import sys

import pytest
from running import Running

KEY = "sk-sandbox"


def account(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "sora2api", "account", *arguments, "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def told(*arguments, folder, status=0):
    done = account(*arguments, "--json", folder=folder)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with Running("sandbox", tmp_path_factory.mktemp("sandbox"), "--delay", "0") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, sandbox):
    """A data directory with an account at the sandbox, all of whose fields are given."""
    folder = tmp_path_factory.mktemp("prepared")
    where = ("--driver", "openai", "--base-url", f"{sandbox.url}/v1", "--name", "box", "--set", "dialect=sandbox")
    secret = ("--token", KEY, "--refresh-token", "rt-secret", "--refresh-url", f"{sandbox.url}/token")
    limits = ("--calls-a-minute", "60", "--daily-images", "5", "--daily-videos", "6", "--image-slots", "3")
    order = ("--group", "fast", "--group", "acme", "--priority", "-2", "--weight", "2.5", "--client-id", "me")
    told("add", *where, *secret, *limits, *order, folder=folder)
    return folder


@pytest.fixture
def folder(tmp_path, prepared):
    """The test's own."""
    return shutil.copytree(prepared, tmp_path / "data")


def test_all_fields_are_kept_and_secrets_are_not_shown(folder):
    shown = told("show", "box", folder=folder)
    expected = {
        "token": "set",
        "refresh_token": "set",
        "client_id": "me",
        "groups": ["fast", "acme"],
        "priority": -2,
        "weight": 2.5,
        "calls_a_minute": 60,
        "daily_images": 5,
        "daily_videos": 6,
        "image_slots": 3,
        "video_slots": 2,
        "settings": {"dialect": "sandbox"},
        "state": "ready",
    }
    assert {name: shown[name] for name in expected} == expected
    for command in (("show", "box"), ("list",)):
        said = account(*command, folder=folder).stdout + str(shown)
        assert KEY not in said
        assert "rt-secret" not in said


def test_a_change_leaves_all_that_it_does_not_name(folder):
    before = told("show", "box", folder=folder)
    after = told("change", "box", "--video-slots", "7", folder=folder)
    assert {name for name in before if before[name] != after[name]} == {"video_slots"}
    assert after["video_slots"] == 7


def test_the_word_none_clears_a_field(folder):
    cleared = ("--daily-videos", "none", "--proxy", "none", "--group", "none", "--refresh-url", "none")
    told("change", "box", "--proxy", "socks5h://user:secret@127.0.0.1:9", folder=folder)
    assert told("show", "box", folder=folder)["proxy"] == "socks5h://127.0.0.1:9"
    after = told("change", "box", *cleared, "--unset", "dialect", folder=folder)
    assert [after[name] for name in ("daily_videos", "proxy", "groups", "refresh_url", "settings")] == [
        None, None, [], None, {},
    ]  # fmt: skip
    assert (after["daily_images"], after["refresh_token"]) == (5, "set")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--proxy", "nowhere"), "neither a proxy's URL, nor the name of a listed one"),
        (("--base-url", "ftp://x"), "no http or https URL"),
        (("--set", "colour=red"), "knows no colour"),
        (("--set", "dialect=klingon"), "$.dialect"),
    ],
)
def test_a_wrong_change_changes_nothing(folder, wrong, said):
    before = told("show", "box", folder=folder)
    done = account("change", "box", "--video-slots", "9", *wrong, folder=folder)
    assert done.returncode == 1
    assert said in done.stderr
    assert told("show", "box", folder=folder) == before


def test_a_setting_that_is_an_object_is_given_as_json(folder):
    told("change", "box", "--set", 'models={"sora-2": "sora-video"}', folder=folder)

    assert told("show", "box", folder=folder)["settings"]["models"] == {"sora-2": "sora-video"}


def test_an_account_that_is_well_is_tested_with_its_models_latency_and_way(folder):
    said = told("test", "box", folder=folder)
    assert (said["ok"], said["route"], "sandbox-video" in said["models"]) == (True, None, True), said
    assert 0 < said["latency"] < 30


@pytest.mark.parametrize(
    ("change", "code", "help_"),
    [
        (("--token", "sk-wrong", "--refresh-url", "none"), "account_rejected", "--token"),
        (("--base-url", "http://127.0.0.1:1/v1"), "engine_unreachable", "See whether the engine runs"),
        (("--proxy", "http://127.0.0.1:1"), "proxy_fault", "proxy list"),
    ],
)
def test_an_account_that_is_not_well_is_tested_with_what_to_do(folder, change, code, help_):
    told("change", "box", *change, folder=folder)
    said = told("test", "box", folder=folder, status=1)
    assert (said["ok"], said["code"]) == (False, code)
    assert help_ in said["advice"]


def test_an_engine_that_names_no_models_is_said_to_get_no_work(folder, sandbox):
    told("change", "box", "--base-url", f"{sandbox.url}/elsewhere", folder=folder)
    tested = account("test", "box", folder=folder)

    assert tested.returncode == 0, tested.stderr
    assert "It names no models, so it gets no work: see whether the base URL is right" in tested.stdout


def test_the_list_has_the_sandbox_only_while_it_serves(tmp_path):
    with Running("serve", tmp_path):
        assert [each["name"] for each in told("list", folder=tmp_path)] == ["sandbox"]
        told("add", "--driver", "openai", "--base-url", "http://127.0.0.1:1/v1", "--name", "box", folder=tmp_path)

        assert [each["name"] for each in told("list", folder=tmp_path)] == ["box"]
        (tmp_path / "sora2api.toml").write_text("sandbox = true\n")
        assert [each["name"] for each in told("list", folder=tmp_path)] == ["sandbox", "box"]


def test_the_list_says_why_an_account_is_set_aside(folder):
    told("change", "box", "--token", "sk-wrong", "--refresh-url", "none", folder=folder)
    told("test", "box", folder=folder, status=1)
    (listed,) = told("list", folder=folder)
    assert (listed["state"], listed["until"]) == ("account_rejected", None)
    assert listed["why"].startswith("The engine rejects the account's token. Give it another token")
    assert told("change", "box", "--token", KEY, folder=folder)["state"] == "ready"


def test_the_new_key_is_shown_though_the_engine_does_not_answer(tmp_path):
    added = told("add", "--driver", "openai", "--base-url", "http://127.0.0.1:1/v1", folder=tmp_path)

    assert added["trouble"].startswith("engine_unreachable: ")
    assert added["issued"]["key"]
