"""Somebody else's plugins in the running server: a sound one is used, broken ones are set aside and named."""

import pytest

BROKEN = {"exiting", "torn", "pretender", "futuristic", "video"}


@pytest.fixture(scope="module")
def extended(tmp_path_factory, outside_packages, serving):
    folder = tmp_path_factory.mktemp("extended") / "data"
    with serving(folder, "--sandbox-delay", "0", PYTHONPATH=str(outside_packages)) as server:
        yield server


@pytest.mark.parametrize(
    ("prompt", "fields"), [("a rocket", {"mode": "countdown"}), ("countdown: a rocket", {})], ids=["forced", "accepted"]
)
def test_its_mode_is_used_and_its_notes_reach_the_stream(extended, tmp_path, prompt, fields):
    log = tmp_path / "log"

    reply = extended.stream(prompt, countdown_log=str(log), **fields)

    told = [words.strip() for words in reply.said("reasoning_content")]
    assert [words for words in told if words in {"3", "2", "1", "lift-off"}] == ["3", "2", "1", "lift-off"]
    assert "Started in the mode countdown." in told
    assert reply.outcome["status"] == "completed"
    assert log.read_text().split("\n") == ["3", "2", "1", "doors closed", ""]
    assert [event["text"] for event in extended.events(reply.job) if event["type"] == "note"][-1] == "lift-off"


def test_its_model_is_listed_and_makes_what_it_says(extended, look):
    assert extended.http.get("/v1/models/countdown-4s").json()["makes"] == {
        "kind": "video",
        "size": "640x360",
        "seconds": 4.0,
    }
    made = extended.stream("countdown: a kite", model="countdown-4s", size=None, seconds=None).outcome
    assert look(extended.file(made["assets"][0]["url"])) == ("mp4", (640, 360), 4.0)


def test_what_it_refuses_is_refused(extended, refused):
    refused(extended.chat("countdown:"), 400, "invalid_value", "messages")
    refused(extended.chat("countdown: a kite", countdown_log=7), 400, "invalid_value", "countdown_log")


def test_other_prompts_are_none_of_its_business(extended):
    reply = extended.stream("a kite")

    assert "Started in the mode video.\n" in reply.said("reasoning_content")


def test_broken_plugins_are_named_and_do_no_harm(extended):
    ready = extended.http.get("/readyz")
    listed = extended.run("plugin", "list")

    assert ready.status_code == 200
    assert {plugin["name"] for plugin in ready.json()["plugins_set_aside"]} == BROKEN
    assert all(plugin["reason"] for plugin in ready.json()["plugins_set_aside"])
    assert "countdown" in {plugin["name"] for plugin in listed if plugin["status"] == "ready"}
    assert {plugin["name"] for plugin in listed if plugin["status"] == "set_aside"} <= BROKEN | {"video"}
