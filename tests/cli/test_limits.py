"""Keys with limits, models with costs, and what was used, as an operator sets and reads them."""

import json
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from sora2api.cli import main


@pytest.fixture
def command(tmp_path):
    """Runs a command on a data directory of the test's own."""
    return lambda *words: CliRunner().invoke(main, [*words, "--data-dir", str(tmp_path)], terminal_width=200)


@pytest.fixture
def told(command):
    """What a command says as JSON."""

    def say(*words: str):
        done: Result = command(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return say


def test_all_limits_are_set_and_shown(told):
    amounts = ("--daily-jobs", "5", "--monthly-jobs", "50", "--daily-seconds", "7.5", "--monthly-seconds", "90")
    money = ("--daily-money", "1.25", "--monthly-money", "30")
    scope = ("--mode", "video", "--mode", "image", "--model", "sora-2", "--group", "gold", "--network", "10.0.0.0/8")
    rates = ("--requests-a-minute", "60", "--jobs-in-flight", "3")
    told("key", "create", "--name", "laptop", "--expires", "30d", *amounts, *money, *scope, *rates)

    shown = told("key", "show", "laptop")

    assert shown["expires_at"] == pytest.approx(time.time() + 30 * 86400, abs=60)
    assert shown["limits"] == {
        "modes": ["video", "image"],
        "models": ["sora-2"],
        "group": "gold",
        "networks": ["10.0.0.0/8"],
        "requests_a_minute": 60,
        "jobs_in_flight": 3,
        "day": {"jobs": 5, "seconds": 7.5, "money": 1_250_000},
        "month": {"jobs": 50, "seconds": 90.0, "money": 30_000_000},
    }


def test_a_change_touches_only_what_is_named(told):
    made = told("key", "create", "--name", "laptop", "--daily-jobs", "5", "--model", "a", "--network", "10.0.0.0/8")

    changed = told("key", "change", "laptop", "--daily-seconds", "9", "--model", "b", "--expires", "2030-01-31")
    cleared = told("key", "change", made["id"], "--clear", "daily-jobs", "--clear", "network", "--clear", "expires")

    assert changed["limits"] == {"models": ["b"], "networks": ["10.0.0.0/8"], "day": {"jobs": 5, "seconds": 9.0}}
    assert datetime.fromtimestamp(changed["expires_at"], UTC).isoformat() == "2030-01-31T00:00:00+00:00"
    assert cleared["limits"] == {"models": ["b"], "day": {"seconds": 9.0}}
    assert cleared["expires_at"] is None


def test_a_person_reads_limits_as_they_are_typed(command):
    command("key", "create", "--name", "laptop", "--daily-money", "1.25", "--mode", "video", "--mode", "image")

    shown = command("key", "show", "laptop").stdout

    assert dict(line.split(maxsplit=1) for line in shown.splitlines() if line.strip())["daily-money"].strip() == "1.25"
    assert "video, image" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("key", "create", "--name", "a", "--network", "10.0.0"), "'10.0.0' is no network"),
        (("key", "create", "--name", "a", "--daily-money", "much"), "'much' is no amount of money"),
        (("key", "create", "--name", "a", "--daily-money", "-1"), "'-1' is no amount of money"),
        (("key", "create", "--name", "a", "--daily-jobs", "-1"), "-1 is not in the range"),
        (("key", "create", "--name", "a", "--daily-jobs", "1" + "0" * 20), "A limit is at most"),
        (("key", "create", "--name", "a", "--daily-money", "1e40"), "A limit is at most"),
        (("key", "create", "--name", "a", "--daily-seconds", "inf"), "A limit is at most"),
        (("key", "create", "--name", "a", "--expires", "soon"), "'soon' is neither"),
        (("key", "show", "nobody"), "There is no API key 'nobody'"),
        (("model", "set", "own", "--makes", "video"), "There is no model 'own'"),
        (("model", "set", "sora-2", "--size", "wide"), "A size is WIDTHxHEIGHT"),
        (("model", "unset", "sora-2"), "Nothing is set for the model 'sora-2'"),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(command, told, words, said):
    done = command(*words)

    assert done.exit_code != 0
    assert said in done.output
    assert told("key", "list") == []


def test_rotation_gives_the_same_key_a_new_secret(told):
    made = told("key", "create", "--name", "laptop")

    rotated = told("key", "rotate", "laptop", "--overlap", "2")

    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert told("key", "show", "laptop")["old_until"] == pytest.approx(time.time() + 7200, abs=60)


def test_a_model_is_set_by_any_of_its_names_and_unset_again(told):
    set_ = told("model", "set", "sora-2-2025-10-06", "--cost-per-second", "0.1", "--group", "gold")
    told("model", "set", "sora-2", "--cost-per-image", "0.000001")

    (listed,) = [model for model in told("model", "list") if model["set"]]

    assert set_["name"] == listed["name"] == "sora-2"
    assert (listed["cost"], listed["group"]) == ({"cost_per_second": 0.1, "cost_per_image": 0.000001}, "gold")
    assert told("model", "set", "sora-2", "--group", "")["group"] is None
    told("model", "unset", "sora-2-2025-12-08")
    assert not [model for model in told("model", "list") if model["set"]]


def test_a_model_of_ones_own_is_listed(told):
    told("model", "set", "own", "--makes", "video", "--size", "160x96", "--seconds", "2", "--alias", "mine")

    (own,) = [model for model in told("model", "list") if model["set"]]

    assert (own["name"], own["makes"], own["seconds"], own["aliases"]) == ("own", "video", 2.0, ["mine"])


def test_where_nothing_was_made_usage_says_so(command, told):
    assert told("usage", "--by", "key") == []
    assert command("usage").stdout == "Nothing was made yet.\n"
