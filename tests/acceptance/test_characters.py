"""Characters: made of a video, called by @name in any prompt, and gone when they were only for once."""

import json
import time

import pytest

ENGINES = {"query": "select 1 from things where kind = 'character'", "file": "sandbox/sandbox.db"}
OURS = {"query": "select 1 from characters"}


@pytest.fixture(scope="module")
def anna(server, video):
    """A character that is kept."""
    name = f"anna.k_{time.monotonic_ns()}"
    text = "".join(server.stream([video], username=name).said("content"))
    assert text.startswith(f"@{name}\n")
    return name


def _used(server, job: str) -> str:
    """How the job's plan speaks of characters."""
    return json.dumps(json.loads(server.rows(f"select plan from jobs where id = '{job}'")[0][0]))


def test_a_video_alone_answers_with_name_avatar_and_card(server, video, look):
    reply = server.stream([video], username="berta")

    text = "".join(reply.said("content"))
    card = json.loads(text.partition("```json\n")[2].removesuffix("\n```"))
    (asset,) = reply.outcome["assets"]
    assert text.startswith("@berta\n")
    assert f"![avatar]({asset['url']})" in text
    assert (card["event"], card["card"]["username"], card["card"]["avatar_url"]) == (
        "character_card",
        "berta",
        asset["url"],
    )
    assert card["card"]["id"].startswith("char_")
    assert look(server.file(asset["url"]))[0] == "png_pipe"
    assert "share_id" not in reply.outcome


@pytest.mark.parametrize(
    ("prompt", "fields"),
    [
        ("@{} waves", {}),
        ("[1s] @{} wakes [1s] she waves", {}),
        ("[1s] someone wakes [1s] @{} waves, at last", {}),
        ("@{} in oil", {"model": "sora-image", "size": None, "seconds": None}),
    ],
    ids=["video", "storyboard, first shot", "storyboard, second shot", "image"],
)
def test_a_kept_character_appears_where_its_name_stands(server, anna, frames, prompt, fields):
    with_her = server.stream(prompt.format(anna), **fields)
    without = server.stream(prompt.format("nobody_known"), **fields)

    assert anna in _used(server, with_her.job)
    assert '"known"' in _used(server, with_her.job)
    assert '"known"' not in _used(server, without.job)
    ours, theirs = (server.file(reply.outcome["assets"][0]["url"]) for reply in (with_her, without))
    assert ours != theirs


def test_a_kept_character_appears_in_a_remix(server, anna):
    share = server.stream("a quiet street").outcome["share_url"]

    remix = server.stream(f"{share} @{anna} walks by")

    assert remix.outcome["status"] == "completed"
    assert '"known"' in _used(server, remix.job)


def test_another_owner_does_not_know_the_character(newcomer, anna):
    reply = newcomer.stream(f"@{anna} in oil", model="sora-image", size=None, seconds=None)

    assert '"known"' not in _used(newcomer, reply.job)


def test_a_name_is_given_once(server, anna, video, refused):
    reply = server.chat([video], username=anna)

    refused(reply, 400, "invalid_value", "name")


def test_one_that_is_made_for_a_single_video_is_gone_afterwards_and_others_stay(server, video, text, look):
    def known() -> tuple[int, int]:
        return len(server.rows(**OURS)), len(server.rows(**ENGINES))

    server.stream([video])
    before = known()
    reply = server.stream([video, text("she dances")])

    assert look(server.file(reply.outcome["assets"][0]["url"]))[:2] == ("mp4", (160, 96))
    assert server.rows(f"select 1 from tasks where job_id = '{reply.job}' and make = 'cast'")
    end = time.monotonic() + 5
    while known() != before:
        assert time.monotonic() < end
        time.sleep(0.05)
