"""Accounts that come and go: R11, R18, R19, R22, R23 and R24."""

import itertools
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import msgspec
import pytest
from baddays.settling import types, until
from rig import Rig
from scenarios.asking import IMAGE, SUBMIT, Asker
from scenarios.neighbours import TokenServer

pytestmark = pytest.mark.slow

REJECTED = {"status": 401, "body": {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}}
FOUR_HOURS = 4 * 3600
_numbers = itertools.count(1)


def jwt(exp: float) -> str:
    """A JSON Web Token that says of itself when it ends (RFC 7519, section 4.1.4)."""
    claims = msgspec.json.encode({"exp": int(exp)})
    return f"eyJhbGciOiJub25lIn0.{urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    server = TokenServer()
    yield server
    server.close()


def renewable(tokens: TokenServer) -> tuple[str, ...]:
    """What an account is told of the server that renews its tokens."""
    return ("--refresh-url", f"{tokens.url}/oauth/token", "--refresh-token", tokens.refresh_token, "--client-id", "app")


@pytest.fixture(scope="module")
def renewing_rig(tmp_path_factory) -> Iterator[Rig]:
    """A server whose engine takes the token `sk-0` as it does those to come."""
    rig = Rig(tmp_path_factory.mktemp("renewing"))
    start_engine(rig, *(f"sk-{number}" for number in range(100)))
    rig.connect("--set", "dialect=sandbox", token="sk-0")
    rig.start_server("--poll-interval", "0.3")
    rig.run("account", "disable", "box")
    yield rig
    rig.close()


@pytest.fixture
def renewing(renewing_rig, asking, tokens) -> Iterator[Asker]:
    """That server, with an account of the test's own, whose tokens can be renewed."""
    name = f"renewed-{next(_numbers)}"
    renewing_rig.connect("--set", "dialect=sandbox", *renewable(tokens), name=name, token="sk-0")
    until(lambda: renewing_rig.get("/readyz").json()["engines"] == {name: "ready"})
    yield asking(renewing_rig, account=name)
    renewing_rig.run("account", "remove", name)


def start_engine(rig: Rig, *keys: str) -> None:
    rig.start_sandbox("--delay", "0.4", *(part for key in keys for part in ("--key", key)))


def test_r11_an_account_whose_quota_is_used_up_comes_back_by_itself(roomy):
    spent = {"error": {"message": "You have used up your quota.", "code": "insufficient_quota"}}
    roomy.rig.misbehave(**SUBMIT, status=429, headers={"Retry-After": "2"}, body=spent)
    began = time.monotonic()
    job = roomy.day.begin()
    waiting = roomy.day.shown(job, lambda video: video.get("waiting_for"))

    assert "box" in waiting["waiting_for"]
    assert "task_retried" in types(roomy.day.completed(job))
    assert time.monotonic() - began >= 1.5
    assert roomy.account()["state"] == "ready"


def test_r18_an_account_that_was_switched_off_and_on_has_its_tokens_renewed_again(renewing, tokens):
    tokens.lifetime = 3.0
    renewing.rig.misbehave(**SUBMIT, **REJECTED)
    renewing.day.completed(renewing.day.begin())
    until(lambda: tokens.issued >= 2)
    for _ in range(2):
        switch(renewing, "disable", to=False)
        before = tokens.issued
        switch(renewing, "enable", to=True)
        until(lambda before=before: tokens.issued > before)
    tokens.lifetime = 3600.0

    assert tokens.refused == 0
    renewing.day.completed(renewing.day.begin())


def switch(asker: Asker, way: str, *, to: bool) -> None:
    """Have the account used, or not, and wait until the running server knows."""
    asker.rig.run("account", way, asker.name)
    until(lambda: (asker.name in asker.rig.get("/readyz").json()["engines"]) == to)


def test_r19_a_change_of_one_number_of_slots_leaves_the_other_as_it_was(narrow):
    changed = narrow.rig.run("account", "change", "box", "--video-slots", "3")
    assert (changed["image_slots"], changed["video_slots"]) == (2, 3)
    narrow.hold()
    jobs = [narrow.day.begin() for _ in range(3)]
    for job in jobs:
        narrow.submitted(job)
    narrow.rig.run("account", "change", "box", "--video-slots", "1")
    narrow.go()

    for job in jobs:
        narrow.day.completed(job)
    narrow.rig.misbehave(**IMAGE, delay=1, times=4)
    images = [narrow.rig.ask(f"one of many pictures, {number}", model="sora-image", size=None) for number in range(4)]
    for job in images:
        narrow.rig.events(job)
    assert narrow.most_at_once(*images) == 2


@pytest.mark.parametrize("zone", ["Asia/Shanghai", pytest.param("America/Los_Angeles", marks=pytest.mark.slow)])
def test_r22_when_a_token_ends_is_the_same_moment_everywhere(rig, asking, tokens, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    ends = time.time() + FOUR_HOURS
    live, dead = jwt(ends), jwt(ends - 2 * FOUR_HOURS)
    start_engine(rig, live, dead, "sk-1")
    rig.connect("--set", "dialect=sandbox", *renewable(tokens), token=live)
    rig.start_server("--poll-interval", "0.3")
    asker = asking(rig)

    assert (asker.account()["state"], asker.account()["expires_at"]) == ("ready", int(ends))
    asker.day.completed(asker.day.begin())
    assert tokens.issued == 0

    rig.run("account", "change", "box", "--token", dead)
    until(lambda: tokens.issued == 1)
    asker.day.completed(asker.day.begin())


def test_r23_a_rejected_token_is_renewed_once_and_the_task_is_handed_over_with_the_new_one(renewing, tokens):
    before = renewing.stats()["by_token"].get("sk-1", 0)
    renewing.rig.misbehave(**SUBMIT, **REJECTED)

    events = renewing.day.completed(renewing.day.begin())

    assert "task_retried" not in types(events)
    assert (tokens.issued, tokens.refused) == (1, 0)
    assert renewing.stats()["by_token"]["sk-1"] > before
    assert renewing.account()["state"] == "ready"
    renewing.day.settled(creates=1, says=("token renewed",))


def test_r23_an_account_whose_new_token_is_rejected_too_is_set_aside(renewing, tokens):
    renewing.rig.misbehave(**SUBMIT, **REJECTED, times=2)
    job = renewing.day.begin()
    renewing.day.shown(job, lambda video: video.get("waiting_for"))

    assert tokens.issued == 1
    assert renewing.account()["state"] == "account_rejected"
    renewing.rig.run("account", "enable", renewing.name)
    renewing.day.completed(job)
    assert (tokens.issued, tokens.refused) == (1, 0)


def test_r23_an_account_whose_refresh_token_is_refused_is_set_aside_until_somebody_mends_it(renewing, tokens):
    tokens.revoke()
    renewing.rig.misbehave(**SUBMIT, **REJECTED)
    job = renewing.day.begin()
    renewing.day.shown(job, lambda video: video.get("waiting_for"))

    assert renewing.account()["state"] == "account_expired"
    assert (tokens.issued, tokens.refused) == (0, 1)
    renewing.rig.run("account", "change", renewing.name, "--token", "sk-5")
    renewing.rig.run("account", "enable", renewing.name)
    renewing.day.completed(job)
    assert tokens.refused == 1


def test_r24_many_who_find_the_token_rejected_renew_it_once(rig, asking, tokens):
    """The engine forgets the old token by being started again with other keys."""
    start_engine(rig, "sk-0")
    rig.connect("--set", "dialect=sandbox", *renewable(tokens), token="sk-0")
    rig.start_server("--poll-interval", "0.3")
    asker = asking(rig)
    rig.sandbox.stop()
    start_engine(rig, "sk-1")
    tokens.delay = 0.5

    jobs = [asker.day.begin() for _ in range(6)]
    for job in jobs:
        asker.day.completed(job)
    assert (tokens.issued, tokens.refused) == (1, 0)
    assert asker.stats()["by_token"]["sk-1"] > 0
    asker.day.settled(creates=6)

    tokens.delay = 0
    rig.sandbox.stop()
    start_engine(rig, "sk-2")
    asker.day.completed(asker.day.begin())
    assert (tokens.issued, tokens.refused) == (2, 0)
